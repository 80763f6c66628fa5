// SPDX-License-Identifier: Apache-2.0

import Glibc
import Model

extension RedisServer {
    /// Below the ports that the kernel gives to whoever connects or listens anywhere: nobody else takes one of these before
    /// the server starts, or while it is down.
    private static let ports = 20_000..<32_000
    private static let next = LockedBox(Int.random(in: ports))

    /// A TCP port that is free, and that this process is given once.
    public static func freePort() throws -> Int {
        for _ in ports {
            let port = next.withLock { next in
                next = next + 1 < ports.upperBound ? next + 1 : ports.lowerBound
                return next
            }
            if try canListen(at: port) { return port }
        }
        throw ServerError(message: "no free port")
    }

    private static func canListen(at port: Int) throws -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ServerError(message: "no socket") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
