/* SPDX-License-Identifier: MIT */
#include "http-client-run.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>

#include "common/clock.h"
#include "raw-server.h"

/* The client against TLS servers on loopback, each with a certificate of its own making. */

static const RawRoute routes[] = {
        {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", NULL},
        {},
};

static sd_event *event;
static HttpClient *client;

typedef struct Identity {
        const char *alternative_name;
        long not_before, not_after; /* seconds from now */
        char ca_file[32];           /* the certificate itself */
        EVP_PKEY *pkey;
        X509 *certificate;
} Identity;

static void identity_write(Identity *identity) {
        FILE *file;
        int fd;

        (void)strcpy(identity->ca_file, "/tmp/test-http-tls-XXXXXX");
        fd = mkstemp(identity->ca_file);
        assert(fd >= 0);
        file = fdopen(fd, "w");
        assert(file && PEM_write_X509(file, identity->certificate) == 1);
        assert(fclose(file) == 0);
}

static void identity_make(Identity *identity) {
        X509 *certificate = X509_new();
        X509_EXTENSION *extension;
        X509_NAME *name;

        assert(certificate);
        identity->pkey = EVP_EC_gen("P-256");
        name = X509_get_subject_name(certificate);
        assert(identity->pkey && X509_set_version(certificate, 2) == 1);
        assert(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
        assert(X509_gmtime_adj(X509_getm_notBefore(certificate), identity->not_before));
        assert(X509_gmtime_adj(X509_getm_notAfter(certificate), identity->not_after));
        assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                          (const unsigned char *)identity->alternative_name, -1, -1,
                                          0) == 1);
        assert(X509_set_issuer_name(certificate, name) == 1);
        assert(X509_set_pubkey(certificate, identity->pkey) == 1);
        extension =
                X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, identity->alternative_name);
        assert(extension && X509_add_ext(certificate, extension, -1) == 1);
        X509_EXTENSION_free(extension);
        assert(X509_sign(certificate, identity->pkey, EVP_sha256()) > 0);
        identity->certificate = certificate;
        identity_write(identity);
}

static void identity_done(Identity *identity) {
        assert(unlink(identity->ca_file) == 0);
        EVP_PKEY_free(identity->pkey);
        X509_free(identity->certificate);
}

static RawServer *server_start(const Identity *identity, int max_version) {
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

        assert(tls && SSL_CTX_use_certificate(tls, identity->certificate) == 1);
        assert(SSL_CTX_use_PrivateKey(tls, identity->pkey) == 1);
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
        Identity identity = {.alternative_name = "IP:127.0.0.1", .not_after = 3600};
        RawServer *server;
        uint64_t before;

        identity_make(&identity);
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
        identity_done(&identity);
}

static void check_untrusted(Identity identity, bool own_ca) {
        RawServer *server;
        Result result;

        identity_make(&identity);
        server = server_start(&identity, 0);
        result = get(server, own_ca ? identity.ca_file : NULL);
        assert(result.error == HTTP_E_UNTRUSTED && *result.detail);
        assert(raw_server_requests(server) == 0);
        identity_done(&identity);
}

static void test_untrusted(void) {
        check_untrusted((Identity){.alternative_name = "IP:127.0.0.1", .not_after = 3600}, false);
        check_untrusted((Identity){.alternative_name = "IP:127.0.0.2", .not_after = 3600}, true);
        check_untrusted((Identity){.alternative_name = "DNS:id.example.com", .not_after = 3600},
                        true);
        check_untrusted((Identity){.alternative_name = "IP:127.0.0.1",
                                   .not_before = -7200,
                                   .not_after = -3600},
                        true);
        check_untrusted((Identity){.alternative_name = "IP:127.0.0.1",
                                   .not_before = 3600,
                                   .not_after = 7200},
                        true);
}

static void test_ca_file(void) {
        Identity identity = {.alternative_name = "IP:127.0.0.1", .not_after = 3600};
        RawServer *server;

        identity_make(&identity);
        server = server_start(&identity, 0);
        assert(get(server, "/nonexistent").error == HTTP_E_UNTRUSTED);
        assert(get(server, "/dev/null").error == HTTP_E_UNTRUSTED);
        assert(raw_server_requests(server) == 0);
        identity_done(&identity);
}

static void test_versions(void) {
        Identity identity = {.alternative_name = "IP:127.0.0.1", .not_after = 3600};
        RawServer *server;

        identity_make(&identity);
        server = server_start(&identity, TLS1_2_VERSION);
        assert(get(server, identity.ca_file).error == HTTP_OK);
        server = server_start(&identity, TLS1_1_VERSION);
        assert(get(server, identity.ca_file).error == HTTP_E_UNREACHABLE);
        assert(raw_server_requests(server) == 0);
        identity_done(&identity);
}

static void test_sigpipe(void) {
        struct sigaction action;

        assert(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
}

int main(void) {
        assert(sd_event_default(&event) >= 0);
        assert(http_client_new(event, &client) == 0);

        test_sigpipe();
        test_trusted_and_kept();
        test_untrusted();
        test_ca_file();
        test_versions();

        http_client_free(client);
        sd_event_unref(event);
        return 0;
}
