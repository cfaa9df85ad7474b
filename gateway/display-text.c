/* SPDX-License-Identifier: MIT */
#include "gateway/display-text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/macro.h"
#include "gateway/utf8.h"

/* What is not shown although it is valid UTF-8: what moves the cursor, reorders or hides text. */
static const struct {
        uint32_t first, last;
} hidden[] = {
        {0x0000, 0x001f},    /* C0 */
        {0x007f, 0x009f},    /* DEL, C1 */
        {0x00ad, 0x00ad},    /* soft hyphen */
        {0x061c, 0x061c},    /* Arabic letter mark */
        {0x180e, 0x180e},    /* Mongolian vowel separator */
        {0x200b, 0x200f},    /* zero width, left-to-right and right-to-left marks */
        {0x2028, 0x202e},    /* line and paragraph separators, embeddings, overrides */
        {0x2060, 0x206f},    /* invisible operators, isolates */
        {0xfeff, 0xfeff},    /* byte order mark */
        {0xfff0, 0xfffb},    /* specials */
        {0xe0000, 0xe0fff},  /* tags, variation selectors */
        {0xf0000, 0x10ffff}, /* private use */
};

static bool is_shown(uint32_t character) {
        for (size_t i = 0; i < ELEMENTSOF(hidden); i++)
                if (character >= hidden[i].first && character <= hidden[i].last)
                        return false;
        return true;
}

bool display_text_is_plain(const char *text, size_t max) {
        size_t size = 0;

        if (!text)
                return false;
        for (; text[size]; size++)
                if (size >= max || text[size] < 0x21 || text[size] > 0x7e)
                        return false;
        return size > 0;
}

char *display_text_clean(const char *text, size_t max) {
        size_t left = strlen(text), used = 0;
        char *clean = malloc((left < max ? left : max) + 1);

        if (!clean)
                return NULL;
        while (left > 0) {
                uint32_t character = 0;
                size_t size = utf8_decode(text, left, &character);
                bool shown = size > 0 && is_shown(character);
                size_t written = shown ? size : 1;

                if (used + written > max)
                        break;
                if (shown)
                        memcpy(clean + used, text, size);
                else
                        clean[used] = '?';
                used += written;
                size = size > 0 ? size : 1;
                text += size;
                left -= size;
        }
        clean[used] = '\0';
        return clean;
}
