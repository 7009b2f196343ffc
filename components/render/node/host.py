"""Files that harden a host and keep it well, whatever server runs on it."""

from .. import release
from ..traffic import TIME_SERVERS
from .layout import LIBRARY, LOGS
from .model import Logs, Node

SYSCTL = """\
# No memory of the server's may reach a disk.
fs.suid_dumpable = 0
kernel.core_pattern = |/bin/false
vm.swappiness = 0
kernel.dmesg_restrict = 1
kernel.kptr_restrict = 2
kernel.yama.ptrace_scope = 2
kernel.unprivileged_bpf_disabled = 1
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.all.accept_source_route = 0
net.ipv4.conf.all.rp_filter = 1
net.ipv4.conf.all.send_redirects = 0
net.ipv4.tcp_syncookies = 1
net.ipv6.conf.all.accept_redirects = 0
"""


def logrotate(retention_seconds: int) -> str:
    """How long logs are kept. Not below /etc/logrotate.d, at which the system looks once a day. A hundred reads a
    second are 25 GB a day: what there is no room for is the business of `upkeep`."""
    return f"""\
{LOGS}/*.log {{
  daily
  maxsize 100M
  rotate -1
  maxage {-(-retention_seconds // 86_400)}
  compress
  delaycompress
  missingok
  notifempty
  nocreate
  sharedscripts
  postrotate
    # SIGHUP has the audit devices open their files anew; without it they would go on writing to the old one.
    systemctl is-active --quiet vault.service && systemctl kill --signal=SIGHUP vault.service
  endscript
}}
"""


CHRONY = "".join(f"server {server} iburst\n" for server in TIME_SERVERS)

HISTORY = """\
# Arguments of these commands may be secrets.
export HISTIGNORE='vault*:bao*:systemd-creds*'
export HISTCONTROL=ignoreboth
"""

SSHD = """\
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers estate
X11Forwarding no
AllowAgentForwarding no
AllowTcpForwarding no
"""


APPARMOR_RSYSLOG = "include <abstractions/ssl_certs>\n"
"""Part of the profile that Ubuntu has for rsyslogd, which may read no authorities otherwise."""


def rsyslog(collector: Logs) -> str:
    """Sends each line of the journal to a collector, which is named by its certificate; what waits is kept on disk."""
    return f"""\
global(
  workDirectory="/var/spool/rsyslog"
  maxMessageSize="64k"
  defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="/etc/ssl/certs/ca-certificates.crt"
)
# One entry of an audit log is one line; a limit by their number would lose some.
module(load="imjournal" stateFile="journal" rateLimit.interval="0")
action(
  type="omfwd"
  target="{collector.host}"
  port="{collector.port}"
  protocol="tcp"
  template="RSYSLOG_SyslogProtocol23Format"
  TCP_Framing="octet-counted"
  streamDriver="gtls"
  streamDriverMode="1"
  streamDriverAuthMode="x509/name"
  streamDriverPermittedPeers="{collector.host}"
  action.resumeRetryCount="-1"
  queue.type="linkedList"
  queue.filename="collector"
  queue.maxDiskSpace="1g"
  queue.saveOnShutdown="on"
)
"""


def upgrades(*, reboots: bool) -> str:
    """Security upgrades by themselves; a reboot with them only where the server unseals itself."""
    lines = [
        'APT::Periodic::Update-Package-Lists "1";',
        'APT::Periodic::Unattended-Upgrade "1";',
        'Unattended-Upgrade::Remove-Unused-Dependencies "true";',
        f'Unattended-Upgrade::Automatic-Reboot "{str(reboots).lower()}";',
        'Unattended-Upgrade::Automatic-Reboot-Time "03:30";',
        # Without it an upgrade whose package changes a file of ours waits for a person for ever.
        'Dpkg::Options:: "--force-confold";',
    ]
    return "\n".join(lines) + "\n"


APPARMOR_PROFILE = "vault-estate"
"""Name of the server's AppArmor profile, which its unit asks for."""


def apparmor(node: Node) -> str:
    """What the server may do to files, enforced by the kernel: a second fence where the unit's sandbox has a gap.

    It may run nothing but itself, and read no home, no key shares and no host's secret.
    """
    # A seal's wrapper is a shell that becomes the server.
    wrapper = (
        f"  {LIBRARY}/{node.seal.wrapper} r,\n  /{{usr/,}}bin/{{sh,dash,{','.join(node.seal.wrapper_runs)}}} mrix,\n"
        if node.seal.wrapper
        else ""
    )
    return f"""\
abi <abi/3.0>,
include <tunables/global>

profile {APPARMOR_PROFILE} flags=(attach_disconnected) {{
  include <abstractions/base>
  include <abstractions/nameservice>
  include <abstractions/openssl>
  include <abstractions/ssl_certs>

  network inet stream,
  network inet6 stream,
  network inet dgram,
  network inet6 dgram,
  network netlink raw,
  network unix stream,

  /usr/local/bin/{release.binary(node.server.flavor)} mrix,
{wrapper}  /etc/vault-estate/server.hcl r,
  /var/lib/vault/tls/* r,
  /var/lib/vault/raft/ r,
  /var/lib/vault/raft/** rwk,
  /var/log/vault/ r,
  /var/log/vault/* rw,
  /run/vault/* rw,
  /run/credentials/vault.service/ r,
  /run/credentials/vault.service/* r,
  /run/systemd/notify w,
  /run/systemd/journal/dev-log w,
  /tmp/** rwk,
  /usr/share/zoneinfo/** r,
  @{{PROC}}/** r,
  @{{sys}}/** r,
}}
"""
