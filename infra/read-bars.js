'use strict';

const PREFIX = /^s3:\/\/([^/]+)\/?(.*?)\/?$/;

/** Lets the daily function read the bars that `bars` and `checkBars` name in S3, and no others. */
module.exports = async ({ resolveVariable }) => {
  const specs = [await resolveVariable('param:bars'), await resolveVariable('param:checkBars')];
  const places = specs.map((spec) => PREFIX.exec(spec)).filter(Boolean);
  if (!places.length) return { Resources: {} };
  const Statement = places.flatMap(([, bucket, prefix]) => allow(bucket, prefix));
  return {
    Resources: {
      ReadBars: {
        Type: 'AWS::IAM::Policy',
        Properties: {
          PolicyName: 'read-bars',
          Roles: [{ Ref: 'DailyRole' }],
          PolicyDocument: { Version: '2012-10-17', Statement },
        },
      },
    },
  };
};

/** Returns what reads the objects under a prefix, or the one object of that name. */
function allow(bucket, prefix) {
  const arn = (path) => ({ 'Fn::Sub': `arn:\${AWS::Partition}:s3:::${bucket}${path}` });
  const objects = prefix ? [arn(`/${prefix}`), arn(`/${prefix}/*`)] : [arn('/*')];
  const list = { Effect: 'Allow', Action: 's3:ListBucket', Resource: arn('') };
  // A request for one object names no prefix; without the right to list, S3 says 403 for 404.
  const of = prefix ? { Condition: { StringLikeIfExists: { 's3:prefix': `${prefix}/*` } } } : {};
  return [
    { Effect: 'Allow', Action: 's3:GetObject', Resource: objects },
    { ...list, ...of },
  ];
}
