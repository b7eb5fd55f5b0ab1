/** What anybody with SQL can send on the channels of graphile-worker. */
export const hostileNotifications: readonly string[] = [
  "select pg_notify('worker:migrate', '{\"breaking\":true}')",
  "select pg_notify('worker:migrate', '{\"breaking\":true,\"migrationNumber\":999}')",
  'notify "worker:migrate", \'{"breaking":1}\'',
  "select pg_notify('worker:migrate', format('{\"breaking\":true,\"n\":%s}', n)) from generate_series(1, 20000) n",
  "select pg_notify('jobs:insert', format('{\"count\":1e9,\"n\":%s}', n)) from generate_series(1, 20000) n",
  "select pg_notify('jobs:insert', 'null'), pg_notify('jobs:insert', '{\"count\":-1}'), pg_notify('jobs:insert', '{')",
];
