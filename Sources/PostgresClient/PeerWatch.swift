// SPDX-License-Identifier: Apache-2.0

/// How a connection learns that its peer is gone without having said so: a machine that lost its power, a firewall that
/// forgot the connection. Without it a statement waits for its deadline, and an idle connection seems usable for ever.
enum PeerWatch {
    /// What is sent has to be acknowledged within 10 s. A silent connection is asked after 10 s, and again each 5 s, and is
    /// dead when three of those went unanswered. libpq ignores them on a Unix socket.
    static let options = [
        ("keepalives", "1"), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
        ("keepalives_count", "3"), ("tcp_user_timeout", "10000"),
    ]
}
