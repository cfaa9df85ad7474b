/* SPDX-License-Identifier: MIT */
#pragma once

/* RawServer: an HTTP server on loopback that a test misuses at will: what each path sends back is
 * raw bytes, well-formed or not. One thread a connection; connections and requests are counted. */

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct RawServer RawServer;
typedef struct RawConnection RawConnection;

/* Answers one request; false: close the connection. */
typedef bool (*RawAnswer)(RawConnection *connection);

typedef struct RawRoute {
        const char *path;
        const char *bytes; /* what to send and stay, or NULL: */
        RawAnswer answer;
} RawRoute;

/* @routes ends with a row without a path. @tls may be NULL. */
RawServer *raw_server_start(const RawRoute *routes, SSL_CTX *tls);
uint16_t raw_server_port(const RawServer *server);
unsigned raw_server_connections(const RawServer *server);
unsigned raw_server_requests(const RawServer *server);

/* The last request, head and body, as text; the caller frees it. */
char *raw_server_last_request(RawServer *server);

/* For RawAnswer. Sending to somebody who left is no failure of the test: false. */
bool raw_send(RawConnection *connection, const void *bytes, size_t size);
bool raw_send_text(RawConnection *connection, const char *text);
int raw_connection_fd(const RawConnection *connection);
SSL *raw_connection_tls(const RawConnection *connection); /* NULL without TLS */
/* Waits until the other side closes. */
bool raw_wait_for_end(RawConnection *connection);

/* From now on the server of @connection accepts no further ones. */
void raw_refuse_others(RawConnection *connection);

/* A port of loopback that refuses connections. */
uint16_t raw_refused_port(void);
