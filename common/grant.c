/* SPDX-License-Identifier: MIT */
#include "common/grant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"
#include "common/sealed-memfd.h"

#define GRANT_MAGIC "oidc-keyring-grant 1\n"
#define NUMBER_DIGITS_MAX 20u /* of UINT64_MAX */

typedef enum FieldKind {
        FIELD_TEXT,
        FIELD_NUMBER,
        FIELD_SECRET,
} FieldKind;

typedef struct Field {
        const char *name;
        FieldKind kind;
        size_t offset;
        bool required;
        bool may_be_empty;
} Field;

/* The one list of what a grant consists of, in the order in which it is written. */
static const Field fields[] = {
        {"account", FIELD_TEXT, offsetof(Grant, account), true, false},
        {"issuer", FIELD_TEXT, offsetof(Grant, issuer), true, false},
        {"subject", FIELD_TEXT, offsetof(Grant, subject), true, false},
        {"user", FIELD_TEXT, offsetof(Grant, user), true, false},
        {"scope", FIELD_TEXT, offsetof(Grant, scope), true, true},
        {"expires_usec", FIELD_NUMBER, offsetof(Grant, expires_usec), true, false},
        {"lifetime_usec", FIELD_NUMBER, offsetof(Grant, lifetime_usec), true, false},
        {"refresh_at", FIELD_NUMBER, offsetof(Grant, refresh_at), true, false},
        {"keep_on_logout", FIELD_NUMBER, offsetof(Grant, keep_on_logout), true, false},
        {"keep_replaced", FIELD_NUMBER, offsetof(Grant, keep_replaced), false, false},
        {"generation", FIELD_NUMBER, offsetof(Grant, generation), true, false},
        {"login_over", FIELD_NUMBER, offsetof(Grant, login_over), false, false},
        {"sent", FIELD_NUMBER, offsetof(Grant, sent), false, false},
        {"answer_lost", FIELD_NUMBER, offsetof(Grant, answer_lost), false, false},
        {"kept_on_disk", FIELD_NUMBER, offsetof(Grant, kept_on_disk), false, false},
        {"access_token", FIELD_SECRET, offsetof(Grant, access_token), false, false},
        {"refresh_token", FIELD_SECRET, offsetof(Grant, refresh_token), false, false},
};

static char **field_text(const Grant *grant, const Field *field) {
        return (char **)((char *)grant + field->offset);
}

static uint64_t *field_number(const Grant *grant, const Field *field) {
        return (uint64_t *)(void *)((char *)grant + field->offset);
}

static Secret **field_secret(const Grant *grant, const Field *field) {
        return (Secret **)(void *)((char *)grant + field->offset);
}

Grant *grant_free(Grant *grant) {
        if (!grant)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                if (fields[i].kind == FIELD_TEXT)
                        free(*field_text(grant, &fields[i]));
                if (fields[i].kind == FIELD_SECRET)
                        secret_free(*field_secret(grant, &fields[i]));
        }
        free(grant);
        return NULL;
}

/* Printable and on one line; texts may hold UTF-8, tokens are RFC 6749 appendix A's VSCHAR. */
static bool value_is_clean(const char *value, size_t size, const Field *field) {
        size_t max = field->kind == FIELD_SECRET ? GRANT_TOKEN_MAX : GRANT_TEXT_MAX;

        if (size > max || (size == 0 && !field->may_be_empty))
                return false;
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)value[i];

                if (c < ' ' || c == 0x7f || (field->kind == FIELD_SECRET && c > 0x7e))
                        return false;
        }
        return true;
}

/* What no single field can say. */
static bool grant_is_sound(const Grant *grant) {
        return account_name_is_valid(grant->account) && grant->refresh_at >= 1 &&
               grant->refresh_at <= 99 && grant->keep_on_logout <= 1 && grant->keep_replaced <= 1 &&
               grant->lifetime_usec > 0 && grant->login_over <= (grant->refresh_token ? 0 : 1) &&
               grant->sent <= (grant->refresh_token ? 1 : 0) &&
               grant->answer_lost <= (grant->refresh_token ? 1 : 0) && grant->kept_on_disk <= 1 &&
               (grant->access_token || grant->expires_usec == 0);
}

/* Appends at @p, which has room by field_size(); returns the new end. */
static char *field_write(char *p, const Grant *grant, const Field *field) {
        const char *value = NULL;
        size_t size = 0;
        char digits[NUMBER_DIGITS_MAX + 1];

        switch (field->kind) {
        case FIELD_TEXT:
                value = *field_text(grant, field);
                size = strlen(value);
                break;
        case FIELD_NUMBER:
                (void)snprintf(digits, sizeof(digits), "%" PRIu64, *field_number(grant, field));
                value = digits;
                size = strlen(digits);
                break;
        case FIELD_SECRET:
                if (!*field_secret(grant, field))
                        return p;
                value = secret_bytes(*field_secret(grant, field));
                size = secret_size(*field_secret(grant, field));
                break;
        }

        p = stpcpy(p, field->name);
        *p++ = '=';
        memcpy(p, value, size);
        p += size;
        *p++ = '\n';
        return p;
}

/* An upper bound of what field_write() appends; -EINVAL if the member must not be written. */
static ssize_t field_size(const Grant *grant, const Field *field) {
        size_t size = NUMBER_DIGITS_MAX;

        if (field->kind == FIELD_TEXT) {
                const char *text = *field_text(grant, field);

                if (!text || !value_is_clean(text, strlen(text), field))
                        return -EINVAL;
                size = strlen(text);
        }
        if (field->kind == FIELD_SECRET) {
                const Secret *secret = *field_secret(grant, field);

                if (!secret)
                        return field->required ? -EINVAL : 0;
                if (!value_is_clean(secret_bytes(secret), secret_size(secret), field))
                        return -EINVAL;
                size = secret_size(secret);
        }
        return (ssize_t)(strlen(field->name) + size + 2);
}

int grant_format(const Grant *grant, Secret **ret) {
        _cleanup_(secret_freep) Secret *buffer = NULL;
        size_t size = strlen(GRANT_MAGIC);
        char *p;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                ssize_t n = field_size(grant, &fields[i]);

                if (n < 0)
                        return (int)n;
                size += (size_t)n;
        }
        if (size > GRANT_SIZE_MAX || !grant_is_sound(grant))
                return -EINVAL;

        r = secret_new(size, &buffer);
        if (r < 0)
                return r;
        p = stpcpy(secret_buffer(buffer), GRANT_MAGIC);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                p = field_write(p, grant, &fields[i]);

        /* Numbers are shorter than their bound. */
        return secret_new_copy(secret_bytes(buffer), (size_t)(p - secret_buffer(buffer)), ret);
}

int grant_seal(const Grant *grant, int *ret_fd) {
        _cleanup_(secret_freep) Secret *text = NULL;
        int r;

        r = grant_format(grant, &text);
        if (r < 0)
                return r;
        return sealed_memfd_new("oidc-keyring-grant", secret_bytes(text), secret_size(text),
                                ret_fd);
}

static const Field *field_by_name(const char *name, size_t size) {
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (strlen(fields[i].name) == size && memcmp(fields[i].name, name, size) == 0)
                        return &fields[i];
        return NULL;
}

static int field_read_number(Grant *grant, const Field *field, const char *value, size_t size) {
        char digits[NUMBER_DIGITS_MAX + 1] = "";

        if (size == 0 || size > NUMBER_DIGITS_MAX)
                return -EBADMSG;
        memcpy(digits, value, size);
        return parse_u64(digits, 0, UINT64_MAX, field_number(grant, field)) < 0 ? -EBADMSG : 0;
}

static int field_read(Grant *grant, const Field *field, const char *value, size_t size) {
        if (field->kind == FIELD_NUMBER)
                return field_read_number(grant, field, value, size);
        if (!value_is_clean(value, size, field))
                return -EBADMSG;
        if (field->kind == FIELD_SECRET)
                return secret_new_copy(value, size, field_secret(grant, field));

        *field_text(grant, field) = strndup(value, size);
        return *field_text(grant, field) ? 0 : -ENOMEM;
}

/* Reads one line; @seen has a bit for each field, so that none comes twice. */
static int line_parse(Grant *grant, const char *line, size_t size, uint32_t *seen) {
        const char *equals = memchr(line, '=', size);
        const Field *field;
        uint32_t bit;
        size_t name_size;

        if (!equals)
                return -EBADMSG;
        name_size = (size_t)(equals - line);
        field = field_by_name(line, name_size);
        if (!field)
                return 0;
        bit = UINT32_C(1) << (field - fields);
        if (*seen & bit)
                return -EBADMSG;
        *seen |= bit;
        return field_read(grant, field, equals + 1, size - name_size - 1);
}

int grant_parse(const char *bytes, size_t size, Grant **ret) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        const char *p = bytes, *end = bytes + size;
        uint32_t seen = 0;
        int r;

        if (size > GRANT_SIZE_MAX || size < strlen(GRANT_MAGIC) ||
            memcmp(bytes, GRANT_MAGIC, strlen(GRANT_MAGIC)) != 0)
                return -EBADMSG;
        grant = calloc(1, sizeof(*grant));
        if (!grant)
                return -ENOMEM;

        for (p += strlen(GRANT_MAGIC); p < end;) {
                const char *newline = memchr(p, '\n', (size_t)(end - p));

                if (!newline)
                        return -EBADMSG;
                r = line_parse(grant, p, (size_t)(newline - p), &seen);
                if (r < 0)
                        return r;
                p = newline + 1;
        }
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (fields[i].required && !(seen & (UINT32_C(1) << i)))
                        return -EBADMSG;
        if (!grant_is_sound(grant))
                return -EBADMSG;

        *ret = TAKE_PTR(grant);
        return 0;
}

int grant_unseal(int fd, Grant **ret) {
        _cleanup_(secret_freep) Secret *bytes = NULL;
        int r;

        r = sealed_memfd_read(fd, GRANT_SIZE_MAX, &bytes);
        if (r == -E2BIG)
                return -EBADMSG;
        if (r < 0)
                return r;
        return grant_parse(secret_bytes(bytes), secret_size(bytes), ret);
}
