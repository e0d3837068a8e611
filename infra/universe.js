'use strict';

const MOST = 10000;
const FILE = /^s3:\/\/([^/]+)\/(.+)$/;

/** What the parameters say of a universe: whether there is one, `many` or `none`, and where its file lies. */
module.exports = async ({ resolveVariable }) => {
  const [universe, shards, concurrency] = await Promise.all(
    ['universe', 'shards', 'shardConcurrency'].map((name) => resolveVariable(`param:${name}`)),
  );
  const [, bucket, key] = FILE.exec(universe) ?? [];
  return {
    mode: bucket ? 'many' : 'none',
    // Who says none lets the first run count them: one for 250 tickers, of as many as there may be.
    list: { universe: 'list', ...(shards === 'auto' ? {} : { shards: Number(shards) }), 'time.$': '$.time' },
    shards: shards === 'auto' ? MOST : Number(shards),
    concurrency: Number(concurrency),
    file: { 'Fn::Sub': `arn:\${AWS::Partition}:s3:::${bucket}/${key}` },
    bucket: { 'Fn::Sub': `arn:\${AWS::Partition}:s3:::${bucket}` },
    key,
  };
};
