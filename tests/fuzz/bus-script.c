/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/fuzz/bus-script.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "common/log.h"

#define OVERSIZED (1 << 26)
#define SETTLE_MAX 10000u
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* Instead of the real log: a line is put together, and that is all. */

static void _printf_(1, 0) log_nothing(const char *format, va_list args) {
        char line[4096];

        assert(vsnprintf(line, sizeof(line), format, args) >= 0);
}

void log_line(int priority, const char *format, ...) {
        va_list args;

        (void)priority;
        va_start(args, format);
        log_nothing(format, args);
        va_end(args);
}

int log_line_errno(int priority, int error, const char *format, ...) {
        va_list args;

        (void)priority;
        va_start(args, format);
        log_nothing(format, args);
        va_end(args);
        return error < 0 ? error : -error;
}

char *bus_script_line(BusScript *script) {
        const char *begin = script->p, *end;
        char *line;

        if (begin >= script->end)
                return NULL;
        end = memchr(begin, '\n', (size_t)(script->end - begin));
        end = end ? end : script->end;
        script->p = end + 1;
        line = strndup(begin, (size_t)(end - begin));
        assert(line);
        return line;
}

/* Descriptors, by the letter of their kind. */

static int memfd_of(const char *content, off_t size, int seals) {
        int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        size_t length = strlen(content);

        assert(fd >= 0 && write(fd, content, length) == (ssize_t)length);
        assert(size == 0 || ftruncate(fd, size) == 0);
        assert(fcntl(fd, F_ADD_SEALS, seals) == 0);
        return fd;
}

static int fd_sealed(const char *content) {
        return memfd_of(content, 0, SEALS);
}

static int fd_writable(const char *content) {
        return memfd_of(content, 0, 0);
}

static int fd_half_sealed(const char *content) {
        return memfd_of(content, 0, F_SEAL_WRITE);
}

static int fd_oversized(const char *content) {
        return memfd_of(content, OVERSIZED, SEALS);
}

static int fd_pipe(const char *content) {
        int fds[2];

        (void)content;
        assert(pipe2(fds, O_CLOEXEC) == 0 && close(fds[1]) == 0);
        return fds[0];
}

static int fd_socket(const char *content) {
        (void)content;
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int fd_folder(const char *content) {
        (void)content;
        return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int fd_path_only(const char *content) {
        (void)content;
        return open("/dev/null", O_PATH | O_CLOEXEC);
}

static const struct {
        char kind;
        int (*open)(const char *content);
} descriptors[] = {
        {'s', fd_sealed}, {'w', fd_writable}, {'x', fd_half_sealed}, {'o', fd_oversized},
        {'p', fd_pipe},   {'c', fd_socket},   {'d', fd_folder},      {'n', fd_path_only},
};

static void append_descriptor(sd_bus_message *call, char *text) {
        char kind = *text ? *text++ : 's';

        for (char *p = text; *p; p++)
                *p = *p == '|' ? '\n' : *p;
        for (size_t i = 0; i < ELEMENTSOF(descriptors); i++)
                if (descriptors[i].kind == kind) {
                        _cleanup_close_ int fd = descriptors[i].open(text);

                        assert(fd >= 0);
                        (void)sd_bus_message_append_basic(call, 'h', &fd);
                }
}

/* Little endian, as everywhere where a fuzzer runs: the low bytes are the value. */
static void append_number(sd_bus_message *call, char type, const char *text) {
        uint64_t number = strtoull(text, NULL, 0);
        int truth = number != 0;
        double real = strtod(text, NULL);

        if (type == 'b')
                (void)sd_bus_message_append_basic(call, type, &truth);
        else if (type == 'd')
                (void)sd_bus_message_append_basic(call, type, &real);
        else
                (void)sd_bus_message_append_basic(call, type, &number);
}

/* What sd-bus does not take is left out. */
static void append_value(const BusScript *script, sd_bus_message *call, char *value) {
        static const char containers[][2] = {{'a', 'a'}, {'v', 'v'}, {'(', 'r'}, {'{', 'e'}};
        char type = *value;

        if (!type)
                return;
        if (type == ']')
                (void)sd_bus_message_close_container(call);
        else if (type == 'h')
                append_descriptor(call, value + 1);
        else if (strchr("sog", type))
                (void)sd_bus_message_append_basic(
                        call, type, streq(value, "s$") && script->word ? script->word : value + 1);
        else if (strchr("bynqiuxtd", type))
                append_number(call, type, value + 1);
        for (size_t i = 0; i < ELEMENTSOF(containers); i++)
                if (containers[i][0] == type &&
                    value[1]) /* an empty one would end the connection */
                        (void)sd_bus_message_open_container(call, containers[i][1], value + 1);
}

sd_bus_message *bus_script_call(const BusScript *script, sd_bus *bus, char *line) {
        const char *path = script->path, *interface = script->interface;
        char *head, *member, *value;
        sd_bus_message *call = NULL;
        bool quiet = *line == '-';

        value = line + (quiet ? 1 : 0);
        head = strsep(&value, "\t");
        member = head;
        if (*head == '/')
                path = strsep(&member, " ");
        if (!member)
                return NULL;
        head = member;
        if (strrchr(head, '.')) {
                member = strrchr(head, '.');
                *member++ = '\0';
                interface = head;
        }
        if (sd_bus_message_new_method_call(bus, &call, NULL, path, interface, member) < 0)
                return NULL;
        assert(sd_bus_message_set_expect_reply(call, !quiet) >= 0);
        while (value)
                append_value(script, call, strsep(&value, "\t"));
        while (sd_bus_message_close_container(call) >= 0)
                ;
        return call;
}

void bus_script_settle(sd_event *event) {
        unsigned n = 0;

        while (sd_event_run(event, 0) > 0)
                assert(n++ < SETTLE_MAX); /* else something goes round */
}

int bus_script_lowest_fd(void) {
        int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

        assert(fd >= 0 && close(fd) == 0);
        return fd;
}
