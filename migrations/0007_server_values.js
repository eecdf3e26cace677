// Room: storage. Values of the whole cluster that no account owns, drawn once and kept, such as the secret of invented salts.
export async function up({ create }) {
  await create('server_values', (type) => [
    `name ${type.text(64)} not null primary key`,
    `content ${type.longText} not null`
  ])
}
