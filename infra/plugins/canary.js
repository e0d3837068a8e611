'use strict';

const SHARE = 0.1; // of the requests
const MINUTES = 5;
const LOOKS_A_MINUTE = 4;

/**
 * Lets a new version answer a tenth of the requests for five minutes, before it is live: what rings
 * then and did not ring before is its fault. Whatever happens, nothing is shared afterwards.
 */
class Canary {
  constructor(deployed, wait = (ms) => new Promise((done) => setTimeout(done, ms))) {
    this.deployed = deployed;
    this.wait = wait;
  }

  /** What is wrong with a version, in words; nothing where nothing is. */
  async watch(name, version, alarms) {
    const before = await this.deployed.ringing(alarms);
    try {
      await this.deployed.share(name, { [version]: SHARE });
      for (let look = 0; look < MINUTES * LOOKS_A_MINUTE; look++) {
        await this.wait(60_000 / LOOKS_A_MINUTE);
        const rings = (await this.deployed.ringing(alarms)).filter((alarm) => !before.includes(alarm));
        if (rings.length) return [`version ${version}, with a tenth of the requests, rings ${rings.join(', ')}`];
      }
      return [];
    } finally {
      await this.deployed.share(name, {});
    }
  }
}

module.exports = Canary;
