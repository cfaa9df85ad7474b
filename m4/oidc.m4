dnl SPDX-License-Identifier: MIT

dnl OIDC_DIR(NAME, DEFAULT, WHAT): an installation directory with its --with-NAMEdir
AC_DEFUN([OIDC_DIR], [
  AC_ARG_WITH([$1dir], [AS_HELP_STRING([--with-$1dir=DIR], [where $3 go [$2]])],
              [$1dir=$withval], [$1dir="$2"])
  AC_SUBST([$1dir])
])

dnl OIDC_FLAG(VARIABLE, FLAG): append FLAG where the compiler takes it, compiled and linked
AC_DEFUN([OIDC_FLAG], [
  AS_VAR_PUSHDEF([cached], [oidc_cv_flag_$1_$2])
  AC_CACHE_CHECK([whether $CC takes $2], [cached], [
    oidc_saved="$CFLAGS"
    CFLAGS="$CFLAGS -Werror $2"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]], [[char c@<:@8@:>@; memset(c, 0, 8);]])],
                   [AS_VAR_SET([cached], [yes])], [AS_VAR_SET([cached], [no])])
    CFLAGS="$oidc_saved"
  ])
  AS_VAR_IF([cached], [yes], [$1="$$1 $2"])
  AS_VAR_POPDEF([cached])
])

dnl OIDC_FLAGS: warnings and hardening, each probed, so that any compiler will do
AC_DEFUN([OIDC_FLAGS], [
  WARN_CFLAGS=
  m4_foreach_w([flag], [-Wall -Wextra -Wformat=2 -Wshadow -Wundef -Wwrite-strings
    -Wpointer-arith -Wredundant-decls -Wnested-externs -Wmissing-prototypes -Wstrict-prototypes
    -Wold-style-definition -Wimplicit-fallthrough -Wvla -Walloca -Wdate-time -Wlogical-op
    -Wfloat-equal -Wno-missing-field-initializers], [OIDC_FLAG([WARN_CFLAGS], flag)])
  AS_IF([test "$enable_werror" = yes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
  AC_SUBST([WARN_CFLAGS])

  HARDEN_CFLAGS=
  m4_foreach_w([flag], [-fvisibility=hidden -fno-common -fno-strict-aliasing
    -fstack-protector-strong -fstack-clash-protection -fcf-protection
    -ftrivial-auto-var-init=zero], [OIDC_FLAG([HARDEN_CFLAGS], flag)])
  HARDEN_LDFLAGS="-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed"

  dnl FORTIFY wants optimisation and does not go with the sanitizers; level 3 where it is known
  dnl (gcc 12). Among the CFLAGS, which come last, so that it replaces a distribution's own level.
  AS_CASE(["$CFLAGS"], [*-O0*], [],
    [HARDEN_CFLAGS="$HARDEN_CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"])
  AS_IF([test "$enable_sanitizers" = yes], [
    HARDEN_CFLAGS="-fvisibility=hidden -fno-common -fsanitize=address,undefined -fno-omit-frame-pointer"
    HARDEN_LDFLAGS="-fsanitize=address,undefined"
  ])
  AC_SUBST([HARDEN_CFLAGS])
  AC_SUBST([HARDEN_LDFLAGS])
])
