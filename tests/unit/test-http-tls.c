/* SPDX-License-Identifier: MIT */
#include "http-client-run.h"

#include <signal.h>
#include <stdlib.h>

#include "common/clock.h"
#include "raw-server.h"
#include "tls-identity.h"

/* The client against TLS servers on loopback, each with a certificate of its own making. */

static const RawRoute routes[] = {
        {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", NULL},
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

static void check_untrusted(TlsIdentity identity, bool own_ca) {
        RawServer *server;
        Result result;

        tls_identity_make(&identity);
        server = server_start(&identity, 0);
        result = get(server, own_ca ? identity.ca_file : NULL);
        assert(result.error == HTTP_E_UNTRUSTED && *result.detail);
        assert(raw_server_requests(server) == 0);
        tls_identity_done(&identity);
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
        check_untrusted((TlsIdentity){.alternative_name = "IP:127.0.0.1",
                                      .not_before = 3600,
                                      .not_after = 7200},
                        true);
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
