// SPDX-License-Identifier: MIT

/** What the caller of the admin interface did wrong, with the status to say so. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}
