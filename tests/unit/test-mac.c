/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "gateway/base64url.h"
#include "gateway/mac.h"

static Secret *secret_of(const void *bytes, size_t size) {
        Secret *secret;

        assert(secret_new_copy(bytes, size, &secret) == 0);
        return secret;
}

static Secret *decoded(const char *text) {
        Secret *secret;

        assert(base64url_decode(text, strlen(text), &secret) == 0);
        return secret;
}

/* RFC 7515 appendix A.1 */
static void test_published_jws(void) {
        static const char input[] =
                "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        _cleanup_(secret_freep) Secret *key =
                decoded("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
                        "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
        _cleanup_(secret_freep) Secret *mac =
                decoded("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        size_t size = secret_size(mac);

        assert(mac_verify("HS256", key, input, strlen(input), secret_bytes(mac), size) == 0);
        assert(mac_verify("HS256", key, input, strlen(input) - 1, secret_bytes(mac), size) ==
               -EBADMSG);
        assert(mac_verify("HS256", key, input, strlen(input), secret_bytes(mac), size - 1) ==
               -EBADMSG);
        assert(mac_verify("HS256", key, input, strlen(input), "", 0) == -EBADMSG);
        assert(mac_verify("HS384", key, input, strlen(input), secret_bytes(mac), size) == -EBADMSG);
        assert(mac_verify("RS256", key, input, strlen(input), secret_bytes(mac), size) ==
               -EOPNOTSUPP);
        for (size_t i = 0; i < size; i++) {
                secret_buffer(mac)[i] ^= 1;
                assert(mac_verify("HS256", key, input, strlen(input), secret_bytes(mac), size) ==
                       -EBADMSG);
                secret_buffer(mac)[i] ^= 1;
        }
}

/* RFC 4231 4.7 */
static void test_published_hmacs(void) {
        static const char input[] = "Test Using Larger Than Block-Size Key - Hash Key First";
        static const struct {
                const char *alg, *mac;
        } cases[] = {
                {"HS256", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
                {"HS384", "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
                          "0c2ef6ab4030fe8296248df163f44952"},
                {"HS512", "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
                          "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
        };
        unsigned char key_bytes[131], mac[64];

        memset(key_bytes, 0xaa, sizeof(key_bytes));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(secret_freep) Secret *key = secret_of(key_bytes, sizeof(key_bytes));
                _cleanup_(secret_freep) Secret *enough = NULL, *shorter = NULL;
                size_t size = strlen(cases[i].mac) / 2, min = mac_secret_min(cases[i].alg);

                for (size_t k = 0; k < size; k++)
                        assert(sscanf(cases[i].mac + 2 * k, "%2hhx", &mac[k]) == 1);
                assert(mac_algorithm_is_known(cases[i].alg) && min == size);
                assert(mac_verify(cases[i].alg, key, input, strlen(input), mac, size) == 0);
                enough = secret_of(key_bytes, min);
                shorter = secret_of(key_bytes, min - 1);
                assert(mac_verify(cases[i].alg, enough, input, 1, mac, size) == -EBADMSG);
                assert(mac_verify(cases[i].alg, shorter, input, 1, mac, size) == -EKEYREJECTED);
        }
}

int main(void) {
        test_published_jws();
        test_published_hmacs();
        assert(!mac_algorithm_is_known("RS256") && !mac_algorithm_is_known("hs256"));
        assert(!mac_algorithm_is_known("") && mac_secret_min("RS256") == 0);
        return 0;
}
