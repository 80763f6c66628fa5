// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import Testing

@Suite(.serialized) struct `TLS` {
    @Test func `takes a certificate of a trusted authority for this host`() async throws {
        let server = try TLSServer(hostName: "localhost")
        let client = makeClient {
            $0.addressPolicy = .allowing(hosts: ["localhost:\(server.port)"])
            $0.certificateAuthorities = server.certificate.path
        }

        let response = try await client.send(HTTPRequest(url: "https://localhost:\(server.port)/"))

        #expect(response.status == 200)
    }

    @Test(arguments: [("localhost", false), ("other.example", true)])
    func `refuses an unknown authority and another host's certificate`(
        _ hostName: String, _ isTrusted: Bool
    ) async throws {
        let server = try TLSServer(hostName: hostName)
        let client = makeClient {
            $0.addressPolicy = .allowing(hosts: ["localhost:\(server.port)"])
            if isTrusted { $0.certificateAuthorities = server.certificate.path }
        }

        let error = await failure(of: HTTPRequest(url: "https://localhost:\(server.port)/"), with: client)

        #expect(error?.code == .tls)
        #expect(error?.requestWasSent == false)
    }
}

/// `openssl s_server` on a free port for one connection, with a certificate of its own.
private final class TLSServer {
    let certificate: URL
    let port: Int
    private let directory: URL
    private let process: Process

    init(hostName: String) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "lockstep-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        certificate = directory.appendingPathComponent("certificate.pem")
        let key = directory.appendingPathComponent("key.pem")
        let maker = Self.openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=\(hostName)", "-addext", "subjectAltName=DNS:\(hostName)", "-keyout", key.path,
            "-out",
            certificate.path,
        ])
        maker.standardError = FileHandle.nullDevice
        try maker.run()
        maker.waitUntilExit()

        process = Self.openssl([
            "s_server", "-accept", "127.0.0.1:0", "-cert", certificate.path, "-key", key.path, "-www",
            "-naccept", "1",
        ])
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        // "ACCEPT 127.0.0.1:45071"
        var text = ""
        while !text.contains("\n") || !text.contains("ACCEPT") {
            let chunk = output.fileHandleForReading.availableData
            guard !chunk.isEmpty else { break }
            text += String(decoding: chunk, as: UTF8.self)
        }
        let digits = text.split(separator: "ACCEPT").last?.split(separator: ":").last ?? ""
        port = try #require(Int(digits.trimmingCharacters(in: .whitespacesAndNewlines)), "no port in \(text)")
    }

    deinit {
        // Not SIGTERM: the child inherits a signal mask that blocks it.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        do {
            try FileManager.default.removeItem(at: directory)
        } catch {
            Issue.record("the directory of a test could not be removed: \(error)")
        }
    }

    private static func openssl(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        return process
    }
}
