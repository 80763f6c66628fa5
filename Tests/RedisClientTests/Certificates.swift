// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A self-signed certificate for localhost and 127.0.0.1.
final class Certificates {
    private let directory: URL
    var certificate: String { directory.appendingPathComponent("cert.pem").path }
    var key: String { directory.appendingPathComponent("key.pem").path }

    /// Options of redis-server that open a TLS port beside no other one.
    func arguments(port: Int) -> [String] {
        [
            "--tls-port", "\(port)", "--bind", "127.0.0.1", "--tls-auth-clients", "no", "--tls-replication",
            "yes", "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate,
        ]
    }

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "lockstep-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments = [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
            "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        #expect(openssl.terminationStatus == 0)
    }

    deinit { _ = try? FileManager.default.removeItem(at: directory) }
}
