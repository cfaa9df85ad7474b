// SPDX-License-Identifier: MIT
//
// The packages live outside the source tree (see ../start), where `import` does not look.

import { createRequire } from 'node:module';

const require = createRequire(`${process.env.IDP_MODULES}/package.json`);

export const { Provider, errors } = require('oidc-provider');
export const jose = require('jose');
