/* SPDX-License-Identifier: MIT */
#pragma once

/* Config: /etc/oidc-keyring.conf with its drop-ins, read by libeconf and checked here key by key.
 * docs/oidc-keyring.conf.5 documents every key; the table in provider-key.c is what it documents.
 * Anything unknown or malformed is an error that names file, line and key: a login must not go on
 * under a policy that the administrator did not write. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macro.h"

#define CONFIG_PROVIDERS_MAX 64u
#define CONFIG_VALUE_MAX 4096u

typedef enum ClientAuth {
        CLIENT_AUTH_NONE,
        CLIENT_AUTH_SECRET_BASIC,
        CLIENT_AUTH_SECRET_POST,
        CLIENT_AUTH_PRIVATE_KEY_JWT, /* OpenID Connect Core 9, RFC 7523 */
        CLIENT_AUTH_TLS,             /* RFC 8705 2, a certificate of a CA or a self-signed one */
        _CLIENT_AUTH_MAX,
} ClientAuth;

/* What of the logins that nobody needs any more is revoked at the provider. */
typedef enum RevokePolicy {
        REVOKE_ALWAYS,
        REVOKE_LOGOUT, /* not what another login takes the place of, or what nobody came for */
        REVOKE_NEVER,
        _REVOKE_POLICY_MAX,
} RevokePolicy;

typedef struct ProviderConfig {
        char *name; /* "corp" of "[provider corp]", also the account's name */
        char *issuer;
        char *client_id;
        char *client_key_id;             /* `kid` of a client assertion; or NULL */
        char *client_assertion_audience; /* or NULL: the issuer */
        char *scope;
        char *resource;       /* RFC 8707; or NULL */
        char *audience;       /* the non-standard `audience` parameter; or NULL */
        char *user_claim;     /* without user_map: what is compared with the local user's name */
        char *strip_domain;   /* "@example.com" is cut off the end of the claim; or NULL */
        char *user_map;       /* path of the file that alone says who is whom; or NULL */
        char **allow_users;   /* NULL-terminated; NULL: every user of min_uid and above */
        char **allow_groups;  /* NULL-terminated, one of which groups_claim has; or NULL */
        char *groups_claim;   /* a claim that is a string or an array of strings */
        char **require_claim; /* NULL-terminated "CLAIM=VALUE", all of which hold; or NULL */
        char **acr_values;    /* NULL-terminated, one of which `acr` is; or NULL */
        char **id_token_algs; /* NULL-terminated subset of what the gateway verifies */
        char **verification_hosts; /* NULL-terminated, where codes may be approved; NULL: any */
        char *ca_file;             /* or NULL: the system's certificates */
        char *proxy;               /* or NULL */
        ClientAuth client_auth;
        RevokePolicy revoke;
        uint64_t min_uid;     /* at least 1: root cannot be allowed */
        uint64_t max_age_sec; /* since the person authenticated at the provider; 0: any */
        uint64_t refresh_at;
        uint64_t rotation_grace_sec; /* the provider takes an exchanged token so long; 0: not */
        bool ignore_case;            /* of ASCII letters, in user_claim */
        bool bind_subject;
        bool userinfo; /* claims that the ID token lacks are asked for at the UserInfo endpoint */
        bool require_offline_access;
        bool keep_on_logout;
        bool persist; /* grants of users who linger are kept on disk, encrypted */
        bool allow_loopback_http;
} ProviderConfig;

typedef struct Config {
        ProviderConfig *providers;
        size_t n_providers;
} Config;

/* Reads the configuration below @root ("" or NULL for "/"). -ENOENT: no configuration at all.
 * -EINVAL: something is wrong, or may not be read. Without any section there is no provider, which
 * is no error. In both cases *ret_error (if not NULL) is a message for the
 * administrator that the caller frees: "FILE:LINE: KEY: what is wrong". Other -errno: it could not
 * be read just now, which says nothing about it. */
int config_load(const char *root, Config **ret, char **ret_error);
Config *config_free(Config *config);
DEFINE_CLEANUP(Config, config_free);

/* The provider called @name; with an empty or NULL @name the only one. NULL: none, or not clear. */
const ProviderConfig *config_provider(const Config *config, const char *name);

/* A value that changes when any of the files does: to notice an edited configuration without
 * parsing it again. */
uint64_t config_fingerprint(const char *root);

/* The loopback test of allow_loopback_http: http://127.0.0.1, http://[::1] or http://localhost. */
bool url_is_loopback_http(const char *url);
