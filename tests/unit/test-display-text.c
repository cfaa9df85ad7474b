/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "common/macro.h"
#include "gateway/display-text.h"

static void check(const char *text, size_t max, const char *expected) {
        _cleanup_free_ char *clean = display_text_clean(text, max);

        assert(clean && streq(clean, expected));
}

static void test_plain(void) {
        assert(display_text_is_plain("WDJB-MJHT", 64));
        assert(display_text_is_plain("WDJB-MJHT", 9));
        assert(!display_text_is_plain("WDJB-MJHT", 8));
        assert(!display_text_is_plain("", 8));
        assert(!display_text_is_plain(NULL, 8));
        assert(!display_text_is_plain("WDJB MJHT", 64));
        assert(!display_text_is_plain("a\nb", 64));
        assert(!display_text_is_plain("a\033[2Jb", 64));
        assert(!display_text_is_plain("a\177", 64));
        assert(!display_text_is_plain("caf\xc3\xa9", 64));
        assert(display_text_is_plain("!~", 2));
}

static void test_people_s_text_stays(void) {
        check("", 8, "");
        check("Anmeldung für Zoë", 64, "Anmeldung für Zoë");
        check("登录 🔑", 64, "登录 🔑");
        check("100% \"quoted\"", 64, "100% \"quoted\"");
}

static void test_controls(void) {
        check("a\nb\tc\rd", 64, "a?b?c?d");
        check("\033]0;title\007", 64, "?]0;title?");
        check("\xc2\x9b"
              "31m",
              64, "?31m"); /* U+009B is CSI in one character */
        check("\177", 64, "?");
        check("user\xe2\x80\xaegnp.exe", 64, "user?gnp.exe"); /* U+202E */
        check("\xe2\x81\xa6x\xe2\x81\xa9", 64, "?x?");        /* isolates */
        check("a\xe2\x80\xa8"
              "b",
              64, "a?b"); /* line separator */
        check("\xef\xbb\xbfx", 64, "?x");
        check("\xf3\xa0\x81\x81", 64, "?"); /* a tag character */
}

static void test_invalid_utf8(void) {
        check("\x9b", 64, "?");
        check("\xff\xfe", 64, "??");
        check("\xc0\x8a", 64, "??");           /* overlong line feed */
        check("\xe0\x80\x8a", 64, "???");      /* the same in three */
        check("\xed\xa0\x80", 64, "???");      /* a surrogate */
        check("\xf4\x90\x80\x80", 64, "????"); /* above U+10FFFF */
        check("x\xc3", 64, "x?");              /* cut */
        check("x\xe2\x82", 64, "x??");
        check("x\xe2\x82y", 64, "x??y");
}

static void test_cut(void) {
        check("abcdef", 3, "abc");
        check("abcdef", 0, "");
        check("ab\xc3\xa9", 3, "ab"); /* at a character */
        check("ab\xc3\xa9", 4, "ab\xc3\xa9");
}

int main(void) {
        test_plain();
        test_people_s_text_stays();
        test_controls();
        test_invalid_utf8();
        test_cut();
        return 0;
}
