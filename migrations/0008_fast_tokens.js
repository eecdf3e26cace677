// Room: storage. FAST tokens (XEP-0484): what each is derived from together with a secret of the server, never the token. `agent_key` is
// the SHA-256 of the client's id; `use_count` the highest count that was shown with it. Dropped ones are remembered for a while.
export async function up({ create, index }) {
  await create('fast_tokens', (type) => [
    `account_id ${type.bigint} not null`,
    `agent_key ${type.text(64)} not null`,
    `nonce ${type.text(64)} not null`,
    `mechanism ${type.text(40)} not null`,
    `state ${type.text(8)} not null`,
    `issued_at ${type.bigint} not null`,
    `expires_at ${type.bigint} not null`,
    `use_count ${type.bigint} not null`,
    'primary key (account_id, agent_key, nonce)',
    'foreign key (account_id) references accounts (id) on delete cascade'
  ])
  await index('fast_tokens_by_expiry', 'fast_tokens', ['expires_at'], 'numbers')
}
