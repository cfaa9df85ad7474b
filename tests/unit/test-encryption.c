/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "gateway/encryption.h"

#define CONTEXT "uid 1000\naccount corp\n"
#define TEXT "a grant"

static Secret *secret_of(const void *bytes, size_t size) {
        Secret *secret = NULL;

        assert(secret_new_copy(bytes, size, &secret) == 0);
        return secret;
}

static Secret *some_key(char first) {
        char bytes[ENCRYPTION_KEY_SIZE] = {first};

        return secret_of(bytes, sizeof(bytes));
}

static void test_round_trip(void) {
        _cleanup_(secret_freep) Secret *key = some_key('k'), *none = NULL;

        assert(secret_new(0, &none) == 0);
        for (size_t size = 0; size < 70; size += 23) {
                _cleanup_(secret_freep) Secret *plain = NULL, *sealed = NULL, *opened = NULL;

                assert(secret_new(size, &plain) == 0);
                assert(encryption_seal(key, CONTEXT, plain, &sealed) == 0);
                assert(secret_size(sealed) == size + ENCRYPTION_OVERHEAD);
                assert(encryption_open(key, CONTEXT, sealed, &opened) == 0);
                assert(secret_equal(plain, opened));
        }
}

static void test_never_twice_the_same(void) {
        _cleanup_(secret_freep) Secret *key = some_key('k'), *plain = secret_of(TEXT, strlen(TEXT));
        _cleanup_(secret_freep) Secret *first = NULL, *second = NULL;

        assert(encryption_seal(key, CONTEXT, plain, &first) == 0);
        assert(encryption_seal(key, CONTEXT, plain, &second) == 0);
        assert(memcmp(secret_bytes(first), secret_bytes(second), 12) != 0);
        assert(!memmem(secret_bytes(first), secret_size(first), TEXT, strlen(TEXT)));
}

static void check_refused(const Secret *key, const char *context, const Secret *sealed) {
        _cleanup_(secret_freep) Secret *opened = NULL;

        assert(encryption_open(key, context, sealed, &opened) == -EBADMSG && !opened);
}

/* Every bit of what is stored, every byte of what is not, and every length. */
static void test_tampering(void) {
        _cleanup_(secret_freep) Secret *key = some_key('k'), *other = some_key('l'), *sealed = NULL;
        _cleanup_(secret_freep) Secret *plain = secret_of(TEXT, strlen(TEXT)), *longer = NULL;
        char context[] = CONTEXT;

        assert(encryption_seal(key, CONTEXT, plain, &sealed) == 0);
        for (size_t i = 0; i < 8 * secret_size(sealed); i++) {
                secret_buffer(sealed)[i / 8] ^= (char)(1 << i % 8);
                check_refused(key, CONTEXT, sealed);
                secret_buffer(sealed)[i / 8] ^= (char)(1 << i % 8);
        }
        for (size_t size = 0; size < secret_size(sealed); size++) {
                _cleanup_(secret_freep) Secret *shorter = secret_of(secret_bytes(sealed), size);

                check_refused(key, CONTEXT, shorter);
        }
        assert(secret_new(secret_size(sealed) + 1, &longer) == 0);
        memcpy(secret_buffer(longer), secret_bytes(sealed), secret_size(sealed));
        check_refused(key, CONTEXT, longer);
        check_refused(other, CONTEXT, sealed);
        check_refused(key, "", sealed);
        check_refused(key, CONTEXT "x", sealed);
        for (size_t i = 0; i < strlen(CONTEXT); i++) {
                context[i] ^= 1;
                check_refused(key, context, sealed);
                context[i] ^= 1;
        }
        secret_free(TAKE_PTR(other));
        assert(encryption_open(key, context, sealed, &other) == 0);
}

static void test_keys(void) {
        _cleanup_(secret_freep) Secret *shorter = secret_of("0123456789abcdef", 16);
        _cleanup_(secret_freep) Secret *plain = secret_of(TEXT, strlen(TEXT)), *sealed = NULL;

        assert(encryption_seal(shorter, CONTEXT, plain, &sealed) == -EINVAL && !sealed);
}

int main(void) {
        test_round_trip();
        test_never_twice_the_same();
        test_tampering();
        test_keys();
        return 0;
}
