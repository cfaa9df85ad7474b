/* SPDX-License-Identifier: MIT */
#include "http-client-run.h"

#include <openssl/pem.h>
#include <signal.h>
#include <stdlib.h>

#include "raw-server.h"
#include "tls-identity.h"

/* The client against TLS servers on loopback, each with a certificate of its own making. */

/* Whose certificate was shown. */
static bool answer_who(RawConnection *connection) {
        X509 *certificate = SSL_get1_peer_certificate(raw_connection_tls(connection));
        char name[64] = "nobody", text[200];

        if (certificate)
                (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                                name, sizeof(name));
        X509_free(certificate);
        (void)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(name), name);
        return raw_send_text(connection, text);
}

static const RawRoute routes[] = {
        {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", NULL},
        {"/who", NULL, answer_who},
        {},
};

static sd_event *event;
static HttpClient *client;

static RawServer *server_start(const TlsIdentity *identity, int max_version) {
        SSL_CTX *tls = tls_identity_server(identity);

        if (max_version > 0) {
                SSL_CTX_set_security_level(tls, 0);
                assert(SSL_CTX_set_min_proto_version(tls, TLS1_VERSION) == 1);
                assert(SSL_CTX_set_max_proto_version(tls, max_version) == 1);
        }
        return raw_server_start(routes, tls);
}

static Result get(const RawServer *server, const char *ca_file) {
        char url[100];
        HttpRequest request = {.url = url, .ca_file = ca_file};

        (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/ok", raw_server_port(server));
        return run(event, client, &request);
}

static void test_trusted_and_kept(void) {
        TlsIdentity identity = {.alternative_name = "IP:127.0.0.1", .not_after = 3600};
        RawServer *server;
        uint64_t before;

        tls_identity_make(&identity);
        server = server_start(&identity, 0);
        before = http_client_connections(client);
        for (int i = 0; i < 10; i++) {
                Result result = get(server, identity.ca_file);

                assert(result.error == HTTP_OK && result.response.status == 200);
                assert(streq(result.body, "{}"));
        }
        assert(raw_server_connections(server) == 1 && raw_server_requests(server) == 10);
        assert(http_client_connections(client) == before + 1);

        /* A kept connection is not for whoever trusts somebody else. */
        assert(get(server, NULL).error == HTTP_E_UNTRUSTED);
        assert(raw_server_requests(server) == 10);
        tls_identity_done(&identity);
}

static void check_refused(TlsIdentity identity, bool own_ca, HttpError error) {
        RawServer *server;
        Result result;

        tls_identity_make(&identity);
        server = server_start(&identity, 0);
        result = get(server, own_ca ? identity.ca_file : NULL);
        assert(result.error == error && *result.detail);
        assert(raw_server_requests(server) == 0);
        tls_identity_done(&identity);
}

static void check_untrusted(TlsIdentity identity, bool own_ca) {
        check_refused(identity, own_ca, HTTP_E_UNTRUSTED);
}

static void test_untrusted(void) {
        check_untrusted((TlsIdentity){.alternative_name = "IP:127.0.0.1", .not_after = 3600},
                        false);
        check_untrusted((TlsIdentity){.alternative_name = "IP:127.0.0.2", .not_after = 3600}, true);
        check_untrusted((TlsIdentity){.alternative_name = "DNS:id.example.com", .not_after = 3600},
                        true);
        check_untrusted((TlsIdentity){.alternative_name = "IP:127.0.0.1",
                                      .not_before = -7200,
                                      .not_after = -3600},
                        true);
}

/* By a clock that is behind. */
static void test_not_yet_valid(void) {
        check_refused((TlsIdentity){.alternative_name = "IP:127.0.0.1",
                                    .not_before = 3600,
                                    .not_after = 7200},
                      true, HTTP_E_CLOCK);
}

static void test_ca_file(void) {
        TlsIdentity identity = {.alternative_name = "IP:127.0.0.1", .not_after = 3600};
        RawServer *server;

        tls_identity_make(&identity);
        server = server_start(&identity, 0);
        assert(get(server, "/nonexistent").error == HTTP_E_UNTRUSTED);
        assert(get(server, "/dev/null").error == HTTP_E_UNTRUSTED);
        assert(raw_server_requests(server) == 0);
        tls_identity_done(&identity);
}

/* Of the system's own minimum nothing must be left, or it hides what the client's is. */
static void allow_old_versions(void) {
        char path[] = "/tmp/oidc-keyring-test-XXXXXX";
        static const char text[] = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
                                   "[c]\nMinProtocol = TLSv1\nCipherString = DEFAULT:@SECLEVEL=0\n";
        int fd = mkstemp(path);

        assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        assert(setenv("OPENSSL_CONF", path, 1) == 0);
        assert(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) == 1);
        assert(close(fd) == 0 && unlink(path) == 0);
}

static void test_versions(void) {
        TlsIdentity identity = {.alternative_name = "IP:127.0.0.1", .not_after = 3600};
        RawServer *server;

        tls_identity_make(&identity);
        server = server_start(&identity, TLS1_2_VERSION);
        assert(get(server, identity.ca_file).error == HTTP_OK);
        server = server_start(&identity, TLS1_1_VERSION);
        assert(get(server, identity.ca_file).error == HTTP_E_UNREACHABLE);
        assert(raw_server_requests(server) == 0);
        tls_identity_done(&identity);
}

/* Certificates of clients. */

static int accept_any(int ok, X509_STORE_CTX *ctx) {
        (void)ok, (void)ctx;
        return 1;
}

static Secret *pem_of(const TlsIdentity *identity, bool key) {
        BIO *bio = BIO_new(BIO_s_mem());
        Secret *pem = NULL;
        char *bytes;
        long size;

        assert(bio &&
               (key ? PEM_write_bio_PrivateKey(bio, identity->pkey, NULL, NULL, 0, NULL, NULL)
                    : PEM_write_bio_X509(bio, identity->certificate)) == 1);
        size = BIO_get_mem_data(bio, &bytes);
        assert(secret_new_copy(bytes, (size_t)size, &pem) == 0);
        BIO_free(bio);
        return pem;
}

/* @shown NULL: nothing. The secrets are gone when the connection is used again. */
static void check_who(const RawServer *server, const char *ca_file, const TlsIdentity *shown,
                      unsigned n_connections) {
        _cleanup_(secret_freep) Secret *certificate = shown ? pem_of(shown, false) : NULL;
        _cleanup_(secret_freep) Secret *key = shown ? pem_of(shown, true) : NULL;
        char url[100];
        HttpRequest request = {
                .url = url, .ca_file = ca_file, .certificate = certificate, .certificate_key = key};
        Result result;

        (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/who", raw_server_port(server));
        result = run(event, client, &request);
        assert(result.error == HTTP_OK);
        assert(streq(result.body, shown ? shown->alternative_name : "nobody"));
        assert(raw_server_connections(server) == n_connections);
}

/* A connection is kept for those alone who show the same certificate. */
static void test_client_certificates(void) {
        TlsIdentity identity = {.alternative_name = "IP:127.0.0.1", .not_after = 3600};
        TlsIdentity one = {.alternative_name = "DNS:one.example", .not_after = 3600};
        TlsIdentity two = {.alternative_name = "DNS:two.example", .not_after = 3600};
        RawServer *server;
        SSL_CTX *tls;

        tls_identity_make(&identity);
        tls_identity_make(&one);
        tls_identity_make(&two);
        tls = tls_identity_server(&identity);
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, accept_any);
        assert(SSL_CTX_set_session_id_context(tls, (const unsigned char *)"test", 4) == 1);
        server = raw_server_start(routes, tls);
        for (int round = 0; round < 2; round++) {
                check_who(server, identity.ca_file, &one, round > 0 ? 3 : 1);
                check_who(server, identity.ca_file, &two, round > 0 ? 3 : 2);
                check_who(server, identity.ca_file, NULL, 3);
        }
        tls_identity_done(&two);
        tls_identity_done(&one);
        tls_identity_done(&identity);
}

static void test_sigpipe(void) {
        struct sigaction action;

        assert(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
}

int main(void) {
        /* The servers' threads are still there when the program ends, in the midst of OpenSSL. */
        assert(OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) == 1);
        allow_old_versions();
        assert(sd_event_default(&event) >= 0);
        assert(http_client_new(event, &client) == 0);

        test_sigpipe();
        test_trusted_and_kept();
        test_untrusted();
        test_not_yet_valid();
        test_ca_file();
        test_versions();
        test_client_certificates();

        http_client_free(client);
        sd_event_unref(event);
        return 0;
}
