/* SPDX-License-Identifier: MIT */
#pragma once

/* The names that rooms, users, policies and tests agree on. docs/oidc-keyring-dbus.7 documents the
 * interfaces behind them. */

#define GATEWAY_BUS_NAME "org.oidckeyring.Gateway1"
#define GATEWAY_OBJECT_PATH "/org/oidckeyring/Gateway1"
#define GATEWAY_INTERFACE "org.oidckeyring.Gateway1"

#define KEYRING_BUS_NAME "org.oidckeyring.Keyring1"
#define KEYRING_OBJECT_PATH "/org/oidckeyring/Keyring1"
#define KEYRING_INTERFACE "org.oidckeyring.Keyring1"
#define KEYRING_ACCOUNT_PREFIX "/org/oidckeyring/Keyring1/account"
#define KEYRING_ACCOUNT_INTERFACE "org.oidckeyring.Keyring1.Account"

/* The login id crosses from sshd's authentication child to the session in this PAM variable. It is
 * deleted again in open_session and never reaches the environment of the session. */
#define LOGIN_ID_VARIABLE "PAM_OIDC_KEYRING_LOGIN"

/* An account, and the provider section it is named after: 1 to 32 of [a-z0-9_-], starting with a
 * letter. It is part of key descriptions, object paths, file names and fd names. */
#define ACCOUNT_NAME_MAX 32u

/* The configuration is where administrators look for it, whatever the prefix of the build. */
#define CONFIG_FILE "/etc/oidc-keyring.conf"
#define CREDENTIALS_FOLDER "/etc/oidc-keyring/credentials"
#define ENCRYPTED_CREDENTIALS_FOLDER "/etc/oidc-keyring/encrypted"
/* StateDirectory= of the gateway's unit. */
#define STATE_FOLDER "/var/lib/oidc-keyring"
/* ListenStream= of oidc-keyring-host-key.socket. */
#define HOST_KEY_SOCKET "/run/oidc-keyring-host-key"

/* The access token's key is of type "user", its description this followed by the account. */
#define TOKEN_KEY_PREFIX "oidc:"
