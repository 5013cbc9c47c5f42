"""Which system calls a process that works on what strangers made is left, as a filter for the kernel's seccomp.

A list of what is allowed, since nobody can list what is not: new calls come with each kernel. What is not in it does
not exist for that process, so that libraries take the older way. Of each process but itself it knows nothing: no
signal, no priority, no limit, no memory, no owner of a file or pipe who would be sent signals.
"""

import errno
import os
import struct
import sys

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
# Of a machine: its number in the kernel's audit, and the column below.
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# Each with its number on x86_64 and on aarch64; "-" where it has none. C libraries differ in which of them they use.
_HARMLESS = """
read 0 63, readv 19 65, pread64 17 67, write 1 64, writev 20 66, close 3 57, open 2 -, openat 257 56, readlink 89 -,
readlinkat 267 78, access 21 -, faccessat 269 48, faccessat2 439 439, stat 4 -, lstat 6 -, fstat 5 80,
newfstatat 262 79, statx 332 291,
lseek 8 62, fadvise64 221 223, getdents64 217 61, getcwd 79 17, dup 32 23, dup2 33 -, dup3 292 24,
pipe 22 -, pipe2 293 59, poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72,
brk 12 214, mmap 9 222, munmap 11 215, mremap 25 216, mprotect 10 226, madvise 28 233, mincore 27 232,
membarrier 324 283,
getrandom 318 278, time 201 -, times 100 153, gettimeofday 96 169, clock_gettime 228 113, clock_getres 229 114,
nanosleep 35 101, clock_nanosleep 230 115,
arch_prctl 158 -, getpid 39 172, getppid 110 173, gettid 186 178, getuid 102 174, geteuid 107 175, getgid 104 176,
getegid 108 177, uname 63 160, sysinfo 99 179, getrusage 98 165, getrlimit 97 163, setrlimit 160 164,
sched_getaffinity 204 123, sched_yield 24 124, getcpu 309 168,
futex 202 98, set_robust_list 273 99, set_tid_address 218 96, rseq 334 293, exit 60 93, exit_group 231 94,
rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136, sigaltstack 131 132,
restart_syscall 219 128
"""
# For who answers those that connect to a socket it was given, and keeps files. Not socket, connect and bind: by them
# it would reach a database or a mail server of this machine, also over Unix sockets, of which Landlock knows nothing.
_LISTENING = """
accept4 288 242, listen 50 201, getsockname 51 204, getpeername 52 205, getsockopt 55 209, setsockopt 54 208,
recvfrom 45 207, sendto 44 206, sendmsg 46 211, shutdown 48 210,
epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22,
rename 82 -, renameat 264 38, renameat2 316 276, unlink 87 -, unlinkat 263 35,
fsync 74 82, fdatasync 75 83, flock 73 32, ftruncate 77 46, statfs 137 43, fstatfs 138 44
"""
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL and F_DUPFD_CLOEXEC: not who is sent signals about a file, nor how its
# writers wait, which whoever shares it would feel.
_FCNTL = (0, 1, 2, 3, 1030)
# TCGETS, its newer one, FIONCLEX, FIOCLEX: whether it is a terminal, and whether it is inherited.
_IOCTL = (0x5401, 0x802C542A, 0x5450, 0x5451)
# FIONBIO: whether it waits. And pairs of streams alone: a datagram may go to another socket than the pair's.
_LISTENING_IOCTL = 0x5421
_STREAM_PAIR = (0x80001,)
# PR_SET_NAME, PR_GET_NAME, PR_SET_VMA: names of threads and of memory.
_PRCTL = (15, 16, 0x53564D41)
# fork, vfork and clone3, whose flags cannot be looked at, are not in the list: all of them are clone as well.
_CLONE_AND_EXECVE = ((56, 59), (220, 221))
_CLONE_THREAD = 0x10000


def known() -> bool:
    """Whether we know the numbers of this machine's system calls."""
    return sys.platform == "linux" and sys.maxsize > 1 << 32 and os.uname().machine in _MACHINES


def numbers(machine: str, *, listens: bool = False) -> dict[str, int]:
    """Of all calls that are allowed on such a machine with any arguments."""
    column = _MACHINES[machine][1]
    table = f"{_HARMLESS},{_LISTENING}" if listens else _HARMLESS
    pairs = dict(line.split(maxsplit=1) for line in table.replace("\n", " ").split(","))
    cells = {name: pair.split()[column] for name, pair in pairs.items()}
    return {name: int(number) for name, number in cells.items() if number != "-"}


def limited(machine: str, *, listens: bool = False) -> dict[str, tuple[int, int, tuple[int, ...]]]:
    """Name -> (its number, which argument is looked at, what that may be)."""
    column = _MACHINES[machine][1]
    me = os.getpid()  # Whoever fails raises a signal in itself.
    rules = {
        "fcntl": ((72, 25), 1, _FCNTL),
        "ioctl": ((16, 29), 1, (*_IOCTL, _LISTENING_IOCTL) if listens else _IOCTL),
        "prctl": ((157, 167), 0, _PRCTL),
        "prlimit64": ((302, 261), 0, (0, me)),
        "kill": ((62, 129), 0, (me,)),
        "tkill": ((200, 130), 0, (me,)),
        "tgkill": ((234, 131), 0, (me,)),
    }
    if listens:
        rules["socketpair"] = ((53, 199), 1, _STREAM_PAIR)
    return {name: (pair[column], place, values) for name, (pair, place, values) in rules.items()}


def apart(machine: str) -> tuple[int, int]:
    """clone, which starts threads and nothing else; and execve."""
    return _CLONE_AND_EXECVE[_MACHINES[machine][1]]


def program(*, starts: bool = False, listens: bool = False) -> bytes:
    """The filter, for this process alone; b"" where we do not know the machine. `starts`: it becomes another program,
    which inherits the filter. `listens`: it answers at a socket that it has, and keeps files.

    Classic BPF: (code, steps if so, steps if not, number). Whatever is no system call of this machine's own kind, as
    those of 32 bits on one of 64, is refused too.
    """
    if not known():
        return b""
    machine = os.uname().machine
    audit, (clone, execve) = _MACHINES[machine][0], apart(machine)
    load, equal, any_of, answer = 0x20, 0x15, 0x45, 0x06
    allow, refuse, missing = _ALLOW, _REFUSE | errno.EPERM, _REFUSE | errno.ENOSYS
    # Which kind of machine the call is for; then its number.
    lines = [(load, 0, 0, 4), (equal, 1, 0, audit), (answer, 0, 0, refuse), (load, 0, 0, 0)]
    harmless = [*numbers(machine, listens=listens).values(), *([execve] if starts else [])]
    for number in harmless:
        lines += [(equal, 0, 1, number), (answer, 0, 0, allow)]
    for number, place, values in limited(machine, listens=listens).values():
        asked = [(load, 0, 0, 16 + 8 * place)]
        for value in values:
            asked += [(equal, 0, 1, value), (answer, 0, 0, allow)]
        asked.append((answer, 0, 0, refuse))
        lines += [(equal, 0, len(asked), number), *asked]
    lines += [(equal, 0, 4, clone), (load, 0, 0, 16), (any_of, 0, 1, _CLONE_THREAD)]
    lines += [(answer, 0, 0, allow), (answer, 0, 0, refuse), (answer, 0, 0, missing)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
