/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "gateway/client-auth.h"

static char folder[] = "/tmp/oidc-keyring-client-auth-XXXXXX";

static ProviderConfig config = {
        .name = (char *)"corp",
        .issuer = (char *)"https://id.example.com",
        .client_id = (char *)"a:b+c%d \xc3\xa9",
};

static void write_file(const char *name, const char *text, size_t size) {
        _cleanup_free_ char *path = NULL;
        FILE *file;

        assert(asprintf(&path, "%s/%s", folder, name) > 0);
        if (!text) {
                assert(unlink(path) == 0);
                return;
        }
        file = fopen(path, "we");
        assert(file && fwrite(text, 1, size, file) == size && fclose(file) == 0);
}

static void write_credential(const char *text, size_t size) {
        write_file("credentials_corp", text, size);
}

static void check_load(const char *text, size_t size, const char *problem) {
        _cleanup_(client_credential_freep) ClientCredential *credential = NULL;
        const char *answer;

        write_credential(text, size);
        answer = client_auth_load(&config, folder, &credential);
        if (answer)
                (void)fprintf(stderr, "%s\n", answer);
        assert((answer != NULL) == (problem != NULL));
        assert((credential != NULL) == !problem && (!problem || strstr(answer, problem)));
}

static void test_load(void) {
        static char large[CLIENT_PEM_MAX + 1];
        _cleanup_(client_credential_freep) ClientCredential *credential = NULL;

        memset(large, 'x', sizeof(large));
        config.client_auth = CLIENT_AUTH_NONE;
        assert(!client_auth_load(&config, NULL, &credential) && !credential);

        config.client_auth = CLIENT_AUTH_SECRET_BASIC;
        assert(strstr(client_auth_load(&config, NULL, &credential), "missing"));
        assert(strstr(client_auth_load(&config, "/nonexistent", &credential), "missing"));
        assert(strstr(client_auth_load(&config, folder, &credential), "missing"));
        check_load("", 0, "empty");
        check_load("\n", 1, "empty");
        check_load("x", 1, NULL);
        check_load(large, CLIENT_SECRET_MAX, NULL);
        check_load(large, CLIENT_SECRET_MAX + 1, "too long");
        check_load(large, CLIENT_PEM_MAX + 1, "too long");

        config.client_auth = CLIENT_AUTH_PRIVATE_KEY_JWT;
        check_load("x", 1, "no private key");
        check_load(large, CLIENT_PEM_MAX, "no private key");
        check_load(large, CLIENT_PEM_MAX + 1, "too long");
        config.client_auth = CLIENT_AUTH_TLS;
        check_load("x", 1, "no private key");
}

static void test_encrypted(void) {
        _cleanup_(client_credential_freep) ClientCredential *credential = NULL, *plain = NULL;

        config.client_auth = CLIENT_AUTH_SECRET_POST;
        write_file("encrypted_corp", "decrypted", 9);
        write_credential("plain", 5);
        assert(!client_auth_load(&config, folder, &plain));
        assert(streq(secret_bytes(plain->bytes), "plain"));
        write_credential(NULL, 0);
        assert(!client_auth_load(&config, folder, &credential));
        assert(streq(secret_bytes(credential->bytes), "decrypted"));
        write_file("encrypted_corp", NULL, 0);
}

static void test_link(void) {
        _cleanup_free_ char *path = NULL, *target = NULL;
        _cleanup_(client_credential_freep) ClientCredential *credential = NULL;

        config.client_auth = CLIENT_AUTH_SECRET_POST;
        assert(asprintf(&path, "%s/credentials_corp", folder) > 0);
        assert(asprintf(&target, "%s/elsewhere", folder) > 0);
        write_credential("x", 1);
        assert(rename(path, target) == 0 && symlink(target, path) == 0);
        assert(strstr(client_auth_load(&config, folder, &credential), "cannot be opened"));
        assert(unlink(path) == 0 && unlink(target) == 0);
}

/* RFC 6749 2.3.1 and appendix B: what the secret has, too, must not end the id or a parameter. */
static void check_apply(ClientAuth auth, const char *authorization, const char *body) {
        static const char secret[] = "s:e+c%r e&t=/?\xc3\xa9\r\nX: y\n";
        _cleanup_(client_credential_freep) ClientCredential *credential = NULL;
        _cleanup_(secret_freep) Secret *header = NULL, *encoded = NULL;
        _cleanup_(form_freep) Form *form = NULL;

        config.client_auth = auth;
        write_credential(secret, strlen(secret));
        assert(!client_auth_load(&config, folder, &credential));
        assert(form_new(&form) == 0 && form_add(form, "scope", "openid") == 0);
        assert(client_auth_apply(&config, credential, form, &header) == 0);
        assert(form_finish(form, &encoded) == 0);
        assert((header != NULL) == (authorization != NULL));
        assert(!header || streq(secret_bytes(header), authorization));
        if (!streq(secret_bytes(encoded), body))
                (void)fprintf(stderr, "%s\n", secret_bytes(encoded));
        assert(streq(secret_bytes(encoded), body));
}

#define ID "a%3Ab%2Bc%25d%20%C3%A9"
#define SECRET "s%3Ae%2Bc%25r%20e%26t%3D%2F%3F%C3%A9%0D%0AX%3A%20y"

static void test_apply(void) {
        _cleanup_(secret_freep) Secret *header = NULL;
        _cleanup_(form_freep) Form *form = NULL;

        check_apply(CLIENT_AUTH_NONE, NULL, "scope=openid&client_id=" ID);
        check_apply(CLIENT_AUTH_SECRET_POST, NULL,
                    "scope=openid&client_id=" ID "&client_secret=" SECRET);
        /* base64 of ID ":" SECRET */
        check_apply(CLIENT_AUTH_SECRET_BASIC,
                    "Basic YSUzQWIlMkJjJTI1ZCUyMCVDMyVBOTpzJTNBZSUyQmMlMjVyJTIwZSUyNnQlM0QlMkYlM0Yl"
                    "QzMlQTklMEQlMEFYJTNBJTIweQ==",
                    "scope=openid");

        for (ClientAuth auth = CLIENT_AUTH_NONE + 1; auth < _CLIENT_AUTH_MAX; auth++) {
                config.client_auth = auth;
                form = form_free(form);
                assert(form_new(&form) == 0);
                assert(client_auth_apply(&config, NULL, form, &header) == -ENOENT && !header);
        }
}

int main(void) {
        assert(mkdtemp(folder));
        test_load();
        test_encrypted();
        test_link();
        test_apply();
        write_credential(NULL, 0);
        assert(rmdir(folder) == 0);
        return 0;
}
