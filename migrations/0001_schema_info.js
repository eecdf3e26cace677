// Room: storage. Which schema stands here, and the oldest program that can live with it.
export async function up({ create }) {
  await create('schema_info', (type) => [
    `id ${type.int} primary key check (id = 1)`,
    `schema_version ${type.int} not null`,
    `schema_min_compatible ${type.int} not null`
  ])
}
