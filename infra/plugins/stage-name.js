'use strict';

const { findRegion } = require('./known-params.js');

const LONGEST_BUCKET = 63; // characters; the bucket of the record has the longest of our names
const ACCOUNT = '-123456789012-';

/** Refuses a stage whose name cannot be part of a bucket's, before anything is built or pushed. */
class StageName {
  constructor(serverless, options) {
    const { service, provider } = serverless.configurationInput;
    const stage = options.stage ?? provider.stage;
    const region = findRegion(options);
    const most = LONGEST_BUCKET - `${service}-${ACCOUNT}${region}`.length;
    if (!/^[a-z0-9][a-z0-9-]*$/.test(stage) || stage.length > most) {
      throw new serverless.classes.Error(
        `--stage: expected 1 to ${most} of a-z 0-9 -, as the bucket's name in ${region} allows, ` +
          `got ${JSON.stringify(stage)}`,
      );
    }
  }
}

module.exports = StageName;
