// Room: storage. Messages for accounts without a device (XEP-0160); `origin_key` makes a repeat recognisable.
export async function up({ create }) {
  await create('offline_messages', (type) => [
    `row_no ${type.id}`,
    `account_id ${type.bigint} not null`,
    `origin_key ${type.text(255)} not null`,
    `stanza ${type.longText} not null`,
    `stanza_bytes ${type.bigint} not null`,
    `at_ms ${type.bigint} not null`,
    'unique (account_id, origin_key)',
    'foreign key (account_id) references accounts (id) on delete cascade'
  ])
}
