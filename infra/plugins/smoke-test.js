'use strict';
class SmokeTest { constructor() { this.hooks = {}; } }
module.exports = SmokeTest;
