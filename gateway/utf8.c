/* SPDX-License-Identifier: MIT */
#include "gateway/utf8.h"

/* By the first byte; 0 for one that begins no character. */
static size_t sequence_size(unsigned char first) {
        if (first < 0x80)
                return 1;
        if (first < 0xc2 || first > 0xf4)
                return 0;
        return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t utf8_decode(const char *text, size_t left, uint32_t *ret) {
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        const unsigned char *bytes = (const unsigned char *)text;
        size_t size = left > 0 ? sequence_size(bytes[0]) : 0;
        uint32_t character;

        if (size == 0 || size > left)
                return 0;
        character = size > 1 ? bytes[0] & (0x7fu >> size) : bytes[0];
        for (size_t i = 1; i < size; i++) {
                if ((bytes[i] & 0xc0) != 0x80)
                        return 0;
                character = character << 6 | (bytes[i] & 0x3f);
        }
        if (character < smallest[size] || character > 0x10ffff ||
            (character >= 0xd800 && character <= 0xdfff))
                return 0;

        *ret = character;
        return size;
}

bool utf8_is_valid(const char *bytes, size_t size) {
        uint32_t character = 0;
        size_t step;

        for (size_t i = 0; i < size; i += step) {
                step = utf8_decode(bytes + i, size - i, &character);
                if (step == 0)
                        return false;
        }
        return true;
}
