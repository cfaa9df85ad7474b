/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "raw-server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX (64u * 1024u)

struct RawServer {
        RawServer *next;
        const RawRoute *routes;
        SSL_CTX *tls;
        int fd;
        uint16_t port;
        atomic_uint n_connections;
        atomic_uint n_requests;
        pthread_mutex_t lock; /* of last_request */
        char last_request[REQUEST_MAX];
};

/* All of them: they stay until the program ends. */
static RawServer *servers;

struct RawConnection {
        RawServer *server;
        SSL *tls;
        int fd;
        size_t used;
        char request[REQUEST_MAX];
};

bool raw_send(RawConnection *connection, const void *bytes, size_t size) {
        const char *p = bytes;

        while (size > 0) {
                size_t piece = size < 65536 ? size : 65536;
                ssize_t n = connection->tls ? SSL_write(connection->tls, p, (int)piece)
                                            : send(connection->fd, p, piece, MSG_NOSIGNAL);

                if (n <= 0)
                        return false;
                p += n;
                size -= (size_t)n;
        }
        return true;
}

bool raw_send_text(RawConnection *connection, const char *text) {
        return raw_send(connection, text, strlen(text));
}

static ssize_t raw_receive(RawConnection *connection, char *bytes, size_t size) {
        return connection->tls ? SSL_read(connection->tls, bytes, (int)size)
                               : recv(connection->fd, bytes, size, 0);
}

SSL *raw_connection_tls(const RawConnection *connection) {
        return connection->tls;
}

int raw_connection_fd(const RawConnection *connection) {
        return connection->fd;
}

bool raw_wait_for_end(RawConnection *connection) {
        char byte;

        while (raw_receive(connection, &byte, 1) > 0)
                ;
        return false;
}

/* The size of the request at the start of the buffer, 0 while it is not whole. */
static size_t request_size(const RawConnection *connection) {
        const char *end = strstr(connection->request, "\r\n\r\n");
        const char *length = strcasestr(connection->request, "\r\nContent-Length:");
        size_t size;

        if (!end)
                return 0;
        size = (size_t)(end - connection->request) + 4;
        if (length && length < end)
                size += strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
        return size <= connection->used ? size : 0;
}

static bool request_read(RawConnection *connection) {
        connection->used = 0;
        memset(connection->request, 0, sizeof(connection->request));
        while (request_size(connection) == 0) {
                ssize_t n = raw_receive(connection, connection->request + connection->used,
                                        REQUEST_MAX - 1 - connection->used);

                if (n <= 0)
                        return false;
                connection->used += (size_t)n;
        }
        return true;
}

static bool request_answer(RawConnection *connection) {
        RawServer *server = connection->server;
        const char *path = strchr(connection->request, ' ');
        size_t size;

        assert(path);
        path++;
        size = strcspn(path, " ?");
        atomic_fetch_add(&server->n_requests, 1);
        assert(pthread_mutex_lock(&server->lock) == 0);
        memcpy(server->last_request, connection->request, REQUEST_MAX);
        assert(pthread_mutex_unlock(&server->lock) == 0);

        for (const RawRoute *route = server->routes; route->path; route++)
                if (strlen(route->path) == size && strncmp(route->path, path, size) == 0)
                        return route->bytes ? raw_send_text(connection, route->bytes)
                                            : route->answer(connection);
        return raw_send_text(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void *connection_thread(void *userdata) {
        RawConnection *connection = userdata;
        bool open = true;

        if (connection->server->tls) {
                connection->tls = SSL_new(connection->server->tls);
                assert(connection->tls && SSL_set_fd(connection->tls, connection->fd) == 1);
                open = SSL_accept(connection->tls) == 1;
        }
        while (open && request_read(connection))
                open = request_answer(connection);

        SSL_free(connection->tls);
        (void)close(connection->fd);
        free(connection);
        return NULL;
}

static void *accept_thread(void *userdata) {
        RawServer *server = userdata;

        for (;;) {
                RawConnection *connection = calloc(1, sizeof(*connection));
                pthread_t thread;

                assert(connection);
                connection->server = server;
                connection->fd = accept(server->fd, NULL, NULL);
                if (connection->fd < 0) {
                        free(connection);
                        return NULL;
                }
                atomic_fetch_add(&server->n_connections, 1);
                assert(pthread_create(&thread, NULL, connection_thread, connection) == 0);
                assert(pthread_detach(thread) == 0);
        }
        return NULL;
}

static int bound_socket(uint16_t *ret_port) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert(fd >= 0);
        assert(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
        assert(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
        *ret_port = ntohs(address.sin_port);
        return fd;
}

void raw_refuse_others(RawConnection *connection) {
        assert(shutdown(connection->server->fd, SHUT_RDWR) == 0);
}

/* Bound and never listening: nobody else can take the port meanwhile. */
uint16_t raw_refused_port(void) {
        uint16_t port = 0;

        assert(bound_socket(&port) >= 0);
        return port;
}

RawServer *raw_server_start(const RawRoute *routes, SSL_CTX *tls) {
        RawServer *server = calloc(1, sizeof(*server));
        pthread_t thread;

        assert(server);
        server->next = servers;
        servers = server;
        server->routes = routes;
        server->tls = tls;
        assert(pthread_mutex_init(&server->lock, NULL) == 0);
        server->fd = bound_socket(&server->port);
        assert(listen(server->fd, 64) == 0);
        assert(pthread_create(&thread, NULL, accept_thread, server) == 0);
        assert(pthread_detach(thread) == 0);
        return server;
}

uint16_t raw_server_port(const RawServer *server) {
        return server->port;
}

unsigned raw_server_connections(const RawServer *server) {
        return atomic_load(&server->n_connections);
}

unsigned raw_server_requests(const RawServer *server) {
        return atomic_load(&server->n_requests);
}

char *raw_server_last_request(RawServer *server) {
        char *copy;

        assert(pthread_mutex_lock(&server->lock) == 0);
        copy = strdup(server->last_request);
        assert(pthread_mutex_unlock(&server->lock) == 0);
        assert(copy);
        return copy;
}
