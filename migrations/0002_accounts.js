// Room: storage. Accounts, by number; their SCRAM keys (RFC 5802 §3), base64. `jid_key` is the SHA-256 of the bare JID:
// parts of 1,023 bytes do not fit into a key. `roster_version` and `roster_floor` are locked with the row.
export async function up({ create, index }) {
  await create('accounts', (type) => [
    `id ${type.id}`,
    `jid_key ${type.text(64)} not null`,
    `domain ${type.text(1023)} not null`,
    `local ${type.text(1023)} not null`,
    `disabled ${type.int} default 0 not null`,
    `created_at ${type.bigint} not null`,
    `roster_version ${type.bigint} default 0 not null`,
    `roster_floor ${type.bigint} default 0 not null`,
    'unique (jid_key)'
  ])
  await index('accounts_by_domain', 'accounts', ['domain', 'local'])
  await create('scram_keys', (type) => [
    `account_id ${type.bigint} not null`,
    `hash ${type.text(10)} not null`,
    `salt ${type.text(400)} not null`,
    `iterations ${type.int} not null`,
    `stored_key ${type.text(100)} not null`,
    `server_key ${type.text(100)} not null`,
    'primary key (account_id, hash)',
    'foreign key (account_id) references accounts (id) on delete cascade'
  ])
}
