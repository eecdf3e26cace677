// Room: storage. The cluster's tables; the seven columns of Tigase come first in `select * from cluster_nodes`.
export async function up({ create }) {
  await create('cluster_nodes', (type) => [
    `hostname ${type.text(255)} primary key`,
    `secondary ${type.text(255)} null`,
    `password ${type.text(255)} not null`,
    `last_update ${type.timestamp}`,
    `port ${type.int} not null`,
    `cpu_usage ${type.double} not null`,
    `mem_usage ${type.double} not null`,
    `cluster_name ${type.text(64)} not null`,
    `incarnation ${type.bigint} not null`,
    `boot_nonce ${type.text(32)} not null`,
    `state ${type.text(10)} not null`,
    `beat ${type.bigint} not null`,
    `view_no ${type.bigint} not null`,
    `advertise ${type.text(300)} not null`,
    `host_id ${type.text(64)} not null`,
    `backup ${type.text(255)} null`,
    `backup_inc ${type.bigint} null`,
    `strategy ${type.text(64)} not null`,
    `links ${type.int} not null`,
    `cert_sha256 ${type.text(64)} null`,
    `protocol_min ${type.int} not null`,
    `protocol_max ${type.int} not null`,
    `version ${type.text(40)} null`,
    `services ${type.longText} null`,
    `started_at ${type.timestamp}`
  ])
  await create('cluster_seq', (type) => [`name ${type.text(32)} primary key`, `v ${type.bigint} not null`])
  await create('cluster_fence', (type) => [
    `hostname ${type.text(255)} not null`,
    `incarnation ${type.bigint} not null`,
    `fenced ${type.int} not null`,
    `backup ${type.text(255)} null`,
    `backup_inc ${type.bigint} null`,
    `custodian ${type.text(255)} null`,
    `custodian_inc ${type.bigint} null`,
    'primary key (hostname, incarnation)'
  ])
  await create('cluster_notices', (type) => [
    `id ${type.bigint} primary key`,
    `kind ${type.text(20)} not null`,
    `subject ${type.longText} not null`,
    `at_db ${type.timestamp}`
  ])
}
