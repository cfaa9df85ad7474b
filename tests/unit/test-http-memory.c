/* SPDX-License-Identifier: MIT */
#include "http-client-run.h"

#include <signal.h>
#include <sys/prctl.h>

#include "gateway/token-response.h"
#include "raw-server.h"
#include "tls-identity.h"

/* After a request and its answer, read as tokens, are freed, no byte of this process still holds
 * them: its own writable memory is searched. The server runs in another process, and the tokens are
 * spelt only there and in the request. */

#define TOKEN_SIZE 40
#define MASK 0x55

/* Two tokens as this program keeps them: masked. */
static char masked[2][TOKEN_SIZE];

static void make_masked(void) {
        for (size_t i = 0; i < 2; i++)
                for (size_t j = 0; j < TOKEN_SIZE; j++)
                        masked[i][j] = (char)(('a' + (char)((j * 7 + i * 11 + j * j) % 26)) ^ MASK);
}

static void spell(size_t which, char *to) {
        for (size_t j = 0; j < TOKEN_SIZE; j++)
                to[j] = (char)(masked[which][j] ^ MASK);
}

/* In the middle of much else, where what a reused buffer gets next does not happen to cover it. */
static bool answer_token(RawConnection *connection) {
        char token[TOKEN_SIZE + 1] = "", blanks[4000] = "", answer[9000], body[8500];
        int size;

        spell(1, token);
        memset(blanks, ' ', sizeof(blanks) - 1);
        size = snprintf(body, sizeof(body),
                        "%s{\"token_type\":\"Bearer\",\"access_token\":\"%s\"}%s", blanks, token,
                        blanks);
        size = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s",
                        size, body);
        return raw_send(connection, answer, (size_t)size);
}

static const RawRoute routes[] = {{"/token", NULL, answer_token}, {}};

/* A server in a process of its own, which ends with this one, and how to reach it. */
typedef struct Server {
        uint16_t port;
        char ca_file[40];
} Server;

static void serve(bool with_tls, int fd) {
        TlsIdentity identity = {.alternative_name = "IP:127.0.0.1", .not_after = 3600};
        Server server = {};

        assert(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        tls_identity_make(&identity);
        (void)strcpy(server.ca_file, identity.ca_file);
        server.port = raw_server_port(
                raw_server_start(routes, with_tls ? tls_identity_server(&identity) : NULL));
        assert(write(fd, &server, sizeof(server)) == sizeof(server));
        for (;;)
                (void)pause();
}

static Server fork_server(bool with_tls) {
        Server server;
        int pipes[2];
        pid_t child;

        assert(pipe(pipes) == 0);
        child = fork();
        assert(child >= 0);
        if (child == 0)
                serve(with_tls, pipes[1]);
        assert(read(pipes[0], &server, sizeof(server)) == sizeof(server));
        return server;
}

static size_t count_in(const char *bytes, size_t size, size_t which) {
        size_t n = 0;

        for (size_t i = 0; i + TOKEN_SIZE <= size; i++) {
                size_t j = 0;

                while (j < TOKEN_SIZE && (bytes[i + j] ^ MASK) == masked[which][j])
                        j++;
                n += j == TOKEN_SIZE;
        }
        return n;
}

/* How often a token stands in what this process can write to. */
static size_t count_in_memory(size_t which) {
        FILE *maps = fopen("/proc/self/maps", "re");
        unsigned long first, end;
        char line[512];
        size_t n = 0;

        assert(maps);
        while (fgets(line, sizeof(line), maps)) {
                char mode[8];

                if (sscanf(line, "%lx-%lx %7s", &first, &end, mode) == 3 && mode[0] == 'r' &&
                    mode[1] == 'w')
                        n += count_in((const char *)first, end - first, which);
        }
        (void)fclose(maps);
        return n;
}

static unsigned n_done;
static bool answered;

static void on_token(HttpError error, const HttpResponse *response, const char *detail,
                     void *userdata) {
        _cleanup_(token_response_freep) TokenResponse *tokens = NULL;

        (void)detail, (void)userdata;
        assert(error == HTTP_OK && response->status == 200);
        assert(token_response_parse(response, &tokens, NULL) == 0);
        answered = count_in(secret_bytes(tokens->access_token), TOKEN_SIZE + 1, 1) == 1;
        n_done++;
}

static void request_one(sd_event *event, HttpClient *client, const char *scheme,
                        const Server *server) {
        _cleanup_(http_exchange_freep) HttpExchange *exchange = NULL;
        _cleanup_(secret_freep) Secret *form = NULL;
        char url[100];
        HttpRequest request = {.url = url, .ca_file = server->ca_file, .allow_loopback_http = true};

        (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%u/token", scheme, server->port);
        assert(secret_new(TOKEN_SIZE, &form) == 0);
        spell(0, secret_buffer(form));
        assert(count_in_memory(0) > 0); /* the search finds it */
        request.form = form;
        request.authorization = form;
        assert(http_exchange_start(client, &request, on_token, NULL, &exchange) == 0);
        run_until(event, &n_done, n_done + 1);
        assert(answered);
}

static void check(sd_event *event, HttpClient *client, const char *scheme) {
        Server server = fork_server(streq(scheme, "https"));

        request_one(event, client, scheme, &server);
        assert(count_in_memory(0) == 0); /* the connection is still there */
        assert(count_in_memory(1) == 0);
        assert(unlink(server.ca_file) == 0);
}

int main(void) {
        HttpClient *client = NULL;
        sd_event *event = NULL;

#ifdef __SANITIZE_ADDRESS__
        return 77; /* its memory is not to be searched, and it keeps what was freed */
#endif
        make_masked();
        assert(sd_event_default(&event) >= 0);
        assert(http_client_new(event, &client) == 0);
        check(event, client, "http");
        check(event, client, "https");
        http_client_free(client);
        sd_event_unref(event);
        return 0;
}
