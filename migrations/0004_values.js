// Room: storage. A value under a key of an account; `name_key` is the SHA-256 of the key, which peers may choose.
export async function up({ create }) {
  await create('account_values', (type) => [
    `account_id ${type.bigint} not null`,
    `name_key ${type.text(64)} not null`,
    `name ${type.longText} not null`,
    `content ${type.longText} not null`,
    'primary key (account_id, name_key)',
    'foreign key (account_id) references accounts (id) on delete cascade'
  ])
}
