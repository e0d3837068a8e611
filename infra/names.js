'use strict';

// Databases have no hyphens in their names.
module.exports = async ({ resolveVariable }) => {
  const [service, stage] = [await resolveVariable('self:service'), await resolveVariable('sls:stage')];
  return { database: `${service}_${stage}`.replaceAll('-', '_') };
};
