# SPDX-License-Identifier: MIT
#
# N readers of the token in @u, each at 100 Hz by the kernel's calls, as programs with libkeyutils do. Until standard
# input closes each remembers every token it saw and when; then it writes "token VALUE FIRST LAST COUNT", and
# "gap ERRNO TIME" for each time there was none.

use strict;
use POSIX ();

my ($readers, $description) = @ARGV;
# the numbers of keyctl and clock_gettime
my %numbers = (x86_64 => [250, 228], aarch64 => [219, 113]);
my ($keyctl, $clock_gettime) = @{$numbers{(POSIX::uname())[4]} or die "unknown machine"};
my ($SEARCH, $READ, $USER_KEYRING) = (10, 11, -4);

sub now {
    my $timespec = pack "q2", 0, 0;
    syscall($clock_gettime, 0, $timespec) == 0 or die "clock_gettime: $!";
    my ($seconds, $nanoseconds) = unpack "q2", $timespec;
    return $seconds + $nanoseconds / 1e9;
}

sub read_token {
    my $type = "user";
    my $serial = syscall($keyctl, $SEARCH, $USER_KEYRING, $type, $description, 0);
    return (undef, $!) if $serial < 0;
    my $buffer = "\0" x 65536;
    my $length = syscall($keyctl, $READ, $serial, $buffer, length $buffer, 0);
    return (undef, $!) if $length < 0;
    return substr($buffer, 0, $length);
}

sub read_until {
    my ($end) = @_;
    my (%seen, @gaps);
    my $wanted = "";
    vec($wanted, fileno($end), 1) = 1;
    while (!select(my $ready = $wanted, undef, undef, 0.01)) {
        my $now = now();
        my ($token, $error) = read_token();
        if (!defined $token) { push @gaps, "gap $error $now"; next; }
        $seen{$token} //= [$now, $now, 0];
        $seen{$token}[1] = $now;
        $seen{$token}[2]++;
    }
    my @lines = map { join " ", "token", $_, @{$seen{$_}} } keys %seen;
    syswrite STDOUT, join("", map { "$_\n" } @lines, @gaps);
}

$| = 1;
for (1 .. $readers) {
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) { read_until(\*STDIN); POSIX::_exit(0); }
}
print "reading\n";
1 while wait >= 0;
