// Room: storage. Rosters (RFC 6121 §2) and what was taken out of them (§2.6). `contact_key` is the SHA-256 of the bare JID;
// `version` is the roster's version when what is shown of the item changed last.
export async function up({ create }) {
  await create('roster_items', (type) => [
    `account_id ${type.bigint} not null`,
    `contact_key ${type.text(64)} not null`,
    `contact ${type.longText} not null`,
    `version ${type.bigint} not null`,
    `name ${type.longText} not null`,
    `group_names ${type.longText} not null`,
    `subscription ${type.text(4)} not null`,
    `ask ${type.int} not null`,
    `approved ${type.int} not null`,
    `pending_in ${type.longText} null`,
    `listed ${type.int} not null`,
    'primary key (account_id, contact_key)',
    'foreign key (account_id) references accounts (id) on delete cascade'
  ])
  await create('roster_removed', (type) => [
    `account_id ${type.bigint} not null`,
    `contact_key ${type.text(64)} not null`,
    `contact ${type.longText} not null`,
    `version ${type.bigint} not null`,
    'primary key (account_id, contact_key)',
    'foreign key (account_id) references accounts (id) on delete cascade'
  ])
}
