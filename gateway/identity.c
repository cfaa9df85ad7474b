/* SPDX-License-Identifier: MIT */
#include "gateway/identity.h"

#include <errno.h>

#include "gateway/json.h"

struct Identity {
        IdToken *id_token;
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
        free(identity);
        return NULL;
}

const char *identity_subject(const Identity *identity) {
        return id_token_subject(identity->id_token);
}

json_object *identity_claim(const Identity *identity, const char *name) {
        json_object *value = NULL;

        (void)json_object_object_get_ex(id_token_claims(identity->id_token), name, &value);
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
