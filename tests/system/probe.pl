#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# What a program that has fallen to an attacker could do inside a service: tries each thing and prints "WHAT ANSWER",
# the answer being "ok" or the error; whatever is not stopped fails for its arguments or does no harm. Arguments: folders to
# write into.

use strict;
use warnings;
use Errno;
use POSIX ();
use Socket;

# Of x86_64 and of the generic table that aarch64 has.
my %numbers = (
    x86_64 => {
        mmap => 9, mprotect => 10, ptrace => 101, setuid => 105, personality => 135, chroot => 161, mount => 165,
        init_module => 175, clock_settime => 227, add_key => 248, keyctl => 250, unshare => 272, perf_event_open => 298,
        setns => 308, process_vm_readv => 310, bpf => 321, userfaultfd => 323, io_uring_setup => 425,
    },
    aarch64 => {
        mmap => 222, mprotect => 226, ptrace => 117, setuid => 146, personality => 92, chroot => 51, mount => 40,
        init_module => 105, clock_settime => 112, add_key => 217, keyctl => 219, unshare => 97, perf_event_open => 241,
        setns => 268, process_vm_readv => 270, bpf => 280, userfaultfd => 282, io_uring_setup => 425,
    },
);
my $machine = (POSIX::uname())[4];
my $number = $numbers{$machine} or die "no table for $machine";

sub name_of_error {
    my ($error) = @_;
    $! = $error;
    return (grep { $!{$_} } sort keys %!)[0] // $error;
}

sub report {
    my ($what, $good) = @_;
    printf "%s %s\n", $what, $good ? 'ok' : name_of_error($! + 0);
}

sub try_call {
    my ($what, $call, @arguments) = @_;
    $! = 0;
    report($what, syscall($number->{$call}, @arguments) >= 0);
}

my ($protect_wx, $private_anonymous, $new_user) = (7, 0x22, 0x10000000);
my $zeros = "\0" x 256;

try_call('writable-code', 'mmap', 0, 4096, $protect_wx, $private_anonymous, -1, 0);
try_call('ptrace', 'ptrace', 0, 0, 0, 0);
try_call('become-root', 'setuid', 0);
try_call('personality', 'personality', 0x0040000);
try_call('chroot', 'chroot', my $root = '/');
try_call('mount', 'mount', 0, 0, 0, 0, 0);
try_call('module', 'init_module', $zeros, 0, my $empty = '');
try_call('clock', 'clock_settime', 0, $zeros);
try_call('keyring', 'keyctl', 0, -4, 0, 0, 0);
try_call('user-namespace', 'unshare', $new_user);
try_call('performance-counters', 'perf_event_open', $zeros, 0, -1, -1, 0);
try_call('memory-of-others', 'process_vm_readv', 1, 0, 0, 0, 0, 0);
try_call('bpf', 'bpf', 5, $zeros, 128);
try_call('userfaultfd', 'userfaultfd', 1);
try_call('io-uring', 'io_uring_setup', 1, my $parameters = $zeros);

for my $family (0 .. 45) {
    for my $kind (SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET) {
        report("socket-$family", socket(my $socket, $family, $kind, 0));
    }
}
for my $folder (@ARGV, grep { defined } @ENV{qw(CREDENTIALS_DIRECTORY STATE_DIRECTORY RUNTIME_DIRECTORY)}) {
    my $file = "$folder/walls-probe-$$";
    report("write-$folder", open(my $handle, '>', $file));
    unlink($file);
}
open(my $status, '<', '/proc/self/status') or die;
/^(Cap\w+|NoNewPrivs|Seccomp):\s+(\S+)/ and print "status-$1 $2\n" while <$status>;
