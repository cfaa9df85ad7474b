/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "gateway/user-map.h"

/* Each line of the input that the map may not have made more of: whoever is looked up by all three
 * words of it is found, and nobody by a part of one. */
static void check_line(const UserMap *map, char *line) {
        char *user, *issuer, *subject = NULL;
        size_t length;

        line += strspn(line, " \t");
        length = strlen(line);
        while (length > 0 && strchr(" \t", line[length - 1]))
                line[--length] = '\0';
        if (*line == '\0' || *line == '#')
                return;
        user = strtok_r(line, " \t", &subject);
        issuer = strtok_r(NULL, " \t", &subject);
        assert(user && issuer && subject);
        subject += strspn(subject, " \t");
        assert(*subject && strlen(subject) <= 255);
        assert(user_map_has(map, user, issuer, subject) && user_map_has(map, user, issuer, NULL));
        assert(!user_map_has(map, user, "https://a b", NULL)); /* no line can say so */
        assert(!user_map_has(map, "", issuer, subject) && !user_map_has(map, user, issuer, ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(user_map_freep) UserMap *map = NULL;
        _cleanup_free_ char *problem = NULL, *text = NULL;
        char *rest, *line;
        int r = user_map_parse((const char *)data, size, "map", &map, &problem);

        assert(r == 0 || r == -EINVAL);
        assert((r == 0) == (map != NULL) && (r == 0) == (problem == NULL));
        if (!map)
                return 0;
        assert(size == 0 || !memchr(data, '\0', size));
        text = rest = strndup(size > 0 ? (const char *)data : "", size);
        assert(text && user_map_size(map) <= size);
        while ((line = strsep(&rest, "\n")))
                check_line(map, line);
        return 0;
}
