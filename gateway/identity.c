/* SPDX-License-Identifier: MIT */
#include "gateway/identity.h"

#include <errno.h>

#include "gateway/json.h"

#define SUBJECT_MAX 255u

struct Identity {
        IdToken *id_token;
        json_object *userinfo; /* or NULL */
};

int identity_new(IdToken *id_token, Identity **ret) {
        Identity *identity = calloc(1, sizeof(*identity));

        if (!identity) {
                id_token_free(id_token);
                return -ENOMEM;
        }
        identity->id_token = id_token;
        *ret = identity;
        return 0;
}

Identity *identity_free(Identity *identity) {
        if (!identity)
                return NULL;
        id_token_free(identity->id_token);
        json_unref(identity->userinfo);
        free(identity);
        return NULL;
}

const char *identity_subject(const Identity *identity) {
        return id_token_subject(identity->id_token);
}

int identity_add_userinfo(Identity *identity, const char *bytes, size_t size) {
        _cleanup_(json_unrefp) json_object *userinfo = NULL;
        const char *subject;
        int r;

        r = json_read(bytes, size, &userinfo);
        if (r < 0)
                return r == -ENOMEM ? r : IDENTITY_E_MALFORMED;
        /* Core 5.3.2: another one MUST NOT be used. */
        if (json_member_text(userinfo, "sub", SUBJECT_MAX, &subject) < 0 ||
            !streq(subject, identity_subject(identity)))
                return IDENTITY_E_SUBJECT;
        json_unref(identity->userinfo);
        identity->userinfo = TAKE_PTR(userinfo);
        return 0;
}

/* What makes an ID token what it is (Core 2), which an answer without a signature cannot say. */
static bool is_of_id_token(const char *name) {
        static const char *const names[] = {"iss", "sub", "aud",       "exp",   "iat",
                                            "nbf", "jti", "auth_time", "nonce", "acr",
                                            "amr", "azp", "sid",       "events"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i], name))
                        return true;
        return false;
}

json_object *identity_claim(const Identity *identity, const char *name) {
        json_object *value = NULL;

        (void)json_object_object_get_ex(id_token_claims(identity->id_token), name, &value);
        if (!value && identity->userinfo && !is_of_id_token(name))
                (void)json_object_object_get_ex(identity->userinfo, name, &value);
        return value;
}

static bool is_text(json_object *value, const char *text) {
        return json_object_is_type(value, json_type_string) &&
               streq(json_object_get_string(value), text);
}

const char *identity_claim_text(const Identity *identity, const char *name) {
        json_object *value = identity_claim(identity, name);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

bool identity_claim_lists(const Identity *identity, const char *name, const char *value) {
        json_object *claim = identity_claim(identity, name);

        if (!json_object_is_type(claim, json_type_array))
                return is_text(claim, value);
        for (size_t i = 0; i < json_object_array_length(claim); i++)
                if (is_text(json_object_array_get_idx(claim, i), value))
                        return true;
        return false;
}

bool identity_claim_is(const Identity *identity, const char *name, const char *value) {
        json_object *claim = identity_claim(identity, name);

        if (json_object_is_type(claim, json_type_boolean) ||
            json_object_is_type(claim, json_type_int))
                return streq(json_object_to_json_string(claim), value);
        return identity_claim_lists(identity, name, value);
}
