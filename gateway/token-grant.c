/* SPDX-License-Identifier: MIT */
#include "gateway/token-grant.h"

static void take_tokens(Grant *grant, const ProviderConfig *config, TokenResponse *tokens,
                        uint64_t sent_usec) {
        grant->expires_usec = sent_usec + tokens->lifetime_usec;
        grant->lifetime_usec = tokens->lifetime_usec;
        grant->refresh_at = config->refresh_at;
        grant->keep_on_logout = config->keep_on_logout;
        grant->keep_replaced = config->revoke != REVOKE_ALWAYS;
        secret_free(grant->access_token);
        grant->access_token = TAKE_PTR(tokens->access_token);
        if (tokens->refresh_token) {
                secret_free(grant->refresh_token);
                grant->refresh_token = TAKE_PTR(tokens->refresh_token);
        }
        if (tokens->scope) {
                free(grant->scope);
                grant->scope = TAKE_PTR(tokens->scope);
        }
}

Grant *token_grant_new(const ProviderConfig *config, const char *user, const char *subject,
                       TokenResponse *tokens, uint64_t sent_usec) {
        _cleanup_(grant_freep) Grant *grant = calloc(1, sizeof(*grant));

        if (!grant)
                return NULL;
        grant->account = strdup(config->name);
        grant->issuer = strdup(config->issuer);
        grant->subject = strdup(subject);
        grant->user = strdup(user);
        grant->scope = strdup(config->scope); /* RFC 6749 5.1: absent means as requested */
        if (!grant->account || !grant->issuer || !grant->subject || !grant->user || !grant->scope)
                return NULL;
        take_tokens(grant, config, tokens, sent_usec);
        return TAKE_PTR(grant);
}

void token_grant_renew(Grant *grant, const ProviderConfig *config, TokenResponse *tokens,
                       uint64_t sent_usec) {
        take_tokens(grant, config, tokens, sent_usec);
        grant->generation++;
        grant->sent = 0;
        grant->answer_lost = 0;
}
