/* SPDX-License-Identifier: MIT */
#pragma once

/* Method calls as lines of text, for the fuzz targets of the D-Bus interfaces: a fuzzer alters
 * these more usefully than a marshalled message, of which sd-bus refuses most.
 *
 *   CALL = ["-"] [PATH " "] [INTERFACE "."] MEMBER {TAB VALUE}     "-": no answer is wanted
 *   VALUE = a letter of a type and what it is of:
 *     s o g TEXT            "s$" is the word that was set last
 *     b y n q i u x t d NUMBER
 *     h KIND CONTENT        a descriptor, see the table; "|" in CONTENT is a line feed
 *     a v ( { SIGNATURE     begins a container, until a VALUE of "]" */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

typedef struct BusScript {
        const char *p, *end;
        const char *path, *interface; /* where a call without them goes */
        const char *word;             /* what "s$" stands for */
} BusScript;

/* The next line, which the caller frees; NULL: that was all. */
char *bus_script_line(BusScript *script);

/* The call that @line is; NULL where sd-bus lets nobody make such a call. */
sd_bus_message *bus_script_call(const BusScript *script, sd_bus *bus, char *line);

/* Runs the loop until it has nothing to do at once. */
void bus_script_settle(sd_event *event);

/* The lowest free descriptor: the same again where none was left open. */
int bus_script_lowest_fd(void);
