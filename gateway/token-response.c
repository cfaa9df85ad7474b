/* SPDX-License-Identifier: MIT */
#include "gateway/token-response.h"

#include <errno.h>
#include <strings.h>

#include "common/grant.h"
#include "gateway/display-text.h"
#include "gateway/json.h"

#define ERROR_MAX 128u
#define SCOPE_MAX GRANT_TEXT_MAX
#define USEC_PER_SECOND UINT64_C(1000000)
#define LIFETIME_MAX_SEC (UINT64_C(30) * 86400)

/* The `error` member, whatever the status: RFC 6749 5.2, RFC 8628 3.5, and what providers were seen
 * to say in their place. */
static const struct ErrorCode {
        const char *code;
        TokenError meaning;
} error_codes[] = {
        {"authorization_pending", TOKEN_E_PENDING},
        {"slow_down", TOKEN_E_SLOW_DOWN},
        {"access_denied", TOKEN_E_DENIED},
        {"authorization_declined", TOKEN_E_DENIED},
        {"expired_token", TOKEN_E_EXPIRED},
        {"token_expired", TOKEN_E_EXPIRED},
        {"code_expired", TOKEN_E_EXPIRED},
        {"invalid_grant", TOKEN_E_GRANT_OVER},
        {"interaction_required", TOKEN_E_GRANT_OVER},
        {"login_required", TOKEN_E_GRANT_OVER},
        {"consent_required", TOKEN_E_GRANT_OVER},
        {"bad_verification_code", TOKEN_E_GRANT_OVER},
        {"incorrect_device_code", TOKEN_E_GRANT_OVER},
        {"not_allowed", TOKEN_E_GRANT_OVER},
        {"invalid_client", TOKEN_E_CONFIGURATION},
        {"incorrect_client_credentials", TOKEN_E_CONFIGURATION},
        {"unauthorized_client", TOKEN_E_CONFIGURATION},
        {"unsupported_grant_type", TOKEN_E_CONFIGURATION},
        {"device_flow_disabled", TOKEN_E_CONFIGURATION},
        {"invalid_scope", TOKEN_E_CONFIGURATION},
        {"invalid_target", TOKEN_E_CONFIGURATION},
        {"invalid_request", TOKEN_E_AMBIGUOUS},
        {"temporarily_unavailable", TOKEN_E_TRANSIENT},
        {"server_error", TOKEN_E_TRANSIENT},
        {"use_dpop_nonce", TOKEN_E_TRANSIENT},
};

/* The status, where the body says nothing that we know. */
static TokenError status_meaning(long status) {
        switch (status) {
        case 408:
        case 425:
        case 429:
                return TOKEN_E_TRANSIENT;
        case 400:
        case 401:
        case 403:
                return TOKEN_E_AMBIGUOUS;
        default:
                if (status >= 200 && status < 300)
                        return TOKEN_E_MALFORMED;
                /* 3xx and other 4xx: the address is wrong, which only the configuration can mend */
                return status >= 500 ? TOKEN_E_TRANSIENT : TOKEN_E_CONFIGURATION;
        }
}

/* An error under a 2xx is an answer all the same: no token will come of asking again. And a server
 * in trouble says whatever it likes: invalid_request has been seen under a 500 while a provider's
 * own upstream was down, so only a definite word counts for more than such a status. */
static TokenError error_meaning(const char *code, long status) {
        TokenError meaning = status < 300 ? TOKEN_E_AMBIGUOUS : status_meaning(status);

        for (size_t i = 0; i < ELEMENTSOF(error_codes); i++)
                if (streq(error_codes[i].code, code) &&
                    (error_codes[i].meaning != TOKEN_E_AMBIGUOUS || meaning != TOKEN_E_TRANSIENT))
                        return error_codes[i].meaning;
        return meaning;
}

TokenResponse *token_response_free(TokenResponse *response) {
        if (!response)
                return NULL;
        secret_free(response->access_token);
        secret_free(response->refresh_token);
        secret_free(response->id_token);
        free(response->scope);
        free(response);
        return NULL;
}

/* RFC 6749 appendix A.12 and A.17: VSCHAR, so that a token can begin no line and no header. */
static int token_read(json_object *object, const char *name, Secret **ret) {
        const char *text;
        int r;

        r = json_member_text(object, name, GRANT_TOKEN_MAX, &text);
        if (r < 0)
                return r;
        if (!display_text_is_plain(text, GRANT_TOKEN_MAX))
                return -EBADMSG;
        return secret_new_copy(text, strlen(text), ret);
}

static int optional(int r) {
        return r == -ENOENT ? 0 : r;
}

/* An empty one counts as absent. */
static int token_read_optional(json_object *object, const char *name, Secret **ret) {
        const char *text;

        if (json_member_text(object, name, 0, &text) == 0)
                return 0;
        return optional(token_read(object, name, ret));
}

static int scope_read(json_object *object, char **ret) {
        const char *text;
        int r;

        r = json_member_text(object, "scope", SCOPE_MAX, &text);
        if (r < 0)
                return optional(r);
        *ret = display_text_clean(text, SCOPE_MAX);
        return *ret ? 0 : -ENOMEM;
}

/* A fraction of a second is dropped. Whatever else says nothing, such as a negative number, counts
 * as absent: to refuse the answer for it would be to lose the refresh token that came with it,
 * after the provider has ended the one before. */
static uint64_t lifetime_read(json_object *object) {
        json_object *value = NULL;
        uint64_t seconds;
        double number;

        if (json_member_number(object, "expires_in", LIFETIME_MAX_SEC, &seconds) < 0) {
                (void)json_object_object_get_ex(object, "expires_in", &value);
                number = json_object_is_type(value, json_type_double)
                                 ? json_object_get_double(value)
                                 : -1;
                if (!(number >= 0 && number < (double)LIFETIME_MAX_SEC))
                        return TOKEN_LIFETIME_DEFAULT_USEC;
                seconds = (uint64_t)number;
        }
        return (seconds > 0 ? seconds : 1) * USEC_PER_SECOND;
}

/* 0, -EBADMSG, -ENOMEM */
static int members_read(json_object *object, TokenResponse *response) {
        int r;

        r = token_read(object, "access_token", &response->access_token);
        if (r < 0)
                return r == -ENOENT ? -EBADMSG : r;
        r = token_read_optional(object, "refresh_token", &response->refresh_token);
        if (r < 0)
                return r;
        r = token_read_optional(object, "id_token", &response->id_token);
        if (r < 0)
                return r;
        r = scope_read(object, &response->scope);
        if (r < 0)
                return r;
        response->lifetime_usec = lifetime_read(object);
        return 0;
}

static int success_parse(json_object *object, TokenResponse **ret) {
        _cleanup_(token_response_freep) TokenResponse *response = NULL;
        const char *type;
        int r;

        response = calloc(1, sizeof(*response));
        if (!response)
                return -ENOMEM;
        r = members_read(object, response);
        if (r < 0)
                return r == -ENOMEM ? r : TOKEN_E_MALFORMED;
        /* RFC 6749 5.1: REQUIRED, in any case ("bearer" is common) */
        if (json_member_text(object, "token_type", ERROR_MAX, &type) < 0)
                return TOKEN_E_MALFORMED;
        if (strcasecmp(type, "Bearer") != 0)
                return TOKEN_E_TOKEN_TYPE;

        *ret = TAKE_PTR(response);
        return 0;
}

int token_response_parse(const HttpResponse *http, TokenResponse **ret, char **ret_error_code) {
        _cleanup_(json_unrefp) json_object *object = NULL;
        const char *code;
        int r;

        if (ret_error_code)
                *ret_error_code = NULL;
        r = json_read(secret_bytes(http->body), secret_size(http->body), &object);
        if (r < 0)
                return r == -ENOMEM ? r : (int)status_meaning(http->status);
        r = json_member_text(object, "error", ERROR_MAX, &code);
        if (r == 0) {
                if (ret_error_code)
                        *ret_error_code = display_text_clean(code, ERROR_MAX);
                return error_meaning(code, http->status);
        }
        if (r == -ENOENT && http->status == 200)
                return success_parse(object, ret);
        return status_meaning(http->status);
}
