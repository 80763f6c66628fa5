// SPDX-License-Identifier: Apache-2.0

import Glibc
import TestSupport
import Testing

@testable import HTTPTransport

@Suite struct `The address policy` {
    @Test(
        arguments: [
            "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
            "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00::1", "2001:200::1", "3ffe::1",
            "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
        ])
    func `takes public addresses`(_ text: String) throws {
        #expect(try address(text).isPublic)
    }

    @Test(
        arguments: [
            "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
            "127.255.255.255", "169.254.169.254", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.8",
            "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255",
            "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        ])
    func `takes no other IPv4 address, in whichever IPv6 form`(_ text: String) throws {
        #expect(try !address(text).isPublic)
        #expect(try !address("::ffff:\(text)").isPublic)
        #expect(try !address("64:ff9b::\(text)").isPublic)
        #expect(try !address("::\(text)").isPublic)
    }

    @Test(
        arguments: [
            "::", "::1", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1",
            "100::1",
            "2001::1", "2001:1::1", "2001:2::1", "2001:10::1", "2001:1ff:ffff::1", "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1", "3fff::1", "3fff:fff::1", "5f00::1", "64:ff9b:1::8.8.8.8", "4000::1",
            "::ffff:0:8.8.8.8", "::8.8.8.8",
        ])
    func `takes no other IPv6 address`(_ text: String) throws {
        #expect(try !address(text).isPublic)
    }

    @Test func `makes an exception for one host and port only`() throws {
        let policy = AddressPolicy.allowing(hosts: ["Sandbox.Internal:8080", "[::1]:9000"])
        let loopback = IPAddress.v4(0x7f00_0001)

        func permits(_ url: String, port: Int) throws -> Bool {
            policy.permits(loopback, port: port, for: try RequestTarget(url))
        }
        #expect(try permits("http://sandbox.internal:8080/x", port: 8080))
        #expect(try permits("http://SANDBOX.internal:8080/x", port: 8080))
        #expect(try permits("http://[::1]:9000/", port: 9000))
        #expect(try !permits("http://sandbox.internal:8081/x", port: 8081))
        #expect(try !permits("http://sandbox.internal:8080/x", port: 22))
        #expect(try !permits("https://sandbox.internal/x", port: 443))
        #expect(try !permits("http://other.internal:8080/x", port: 8080))
    }

    @Test(arguments: ["localhost:80", "sandbox:8080", "127.0.0.1:1", "[::1]:65535"])
    func `has a use for an entry with host and port`(_ entry: String) {
        #expect(AddressPolicy.problem(withHost: entry) == nil)
    }

    @Test(
        arguments: [
            "", "localhost", ":80", "localhost:", "localhost:0", "localhost:65536", "localhost:080", "::1:80",
            "http://localhost:80", "localhost:80/", "a@b:80", "localhost:8o",
        ])
    func `says what is wrong with another entry`(_ entry: String) {
        #expect(AddressPolicy.problem(withHost: entry) != nil)
    }

    @Test(
        arguments: [
            "127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "017700000001", "[::ffff:127.0.0.1]",
            "0.0.0.0",
        ])
    func `refuses loopback at the socket, however it is written`(_ host: String) async throws {
        let server = try ScriptedServer { _ in [.reply()] }

        let error = await failure(of: HTTPRequest(url: "http://\(host):\(server.port)/"), with: makeClient())

        #expect(error?.code == .addressRefused)
        #expect(error?.requestWasSent == false)
        #expect(server.log.accepted == 0)
    }

    @Test func `refuses the metadata service of clouds`() async {
        let error = await failure(of: HTTPRequest(url: "http://169.254.169.254/latest/"), with: makeClient())

        #expect(error?.code == .addressRefused)
    }

    @Test func `reaches a name that is an exception, and only with its port`() async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let other = try ScriptedServer { _ in [.reply()] }
        let client = makeClient {
            $0.addressPolicy = .allowing(hosts: ["localhost:\(server.port)"])
        }

        #expect(try await client.send(HTTPRequest(url: "http://localhost:\(server.port)/")).status == 200)
        let error = await failure(of: HTTPRequest(url: "http://localhost:\(other.port)/"), with: client)
        #expect(error?.code == .addressRefused)
        #expect(other.log.accepted == 0)
    }

    private func address(_ text: String) throws -> IPAddress {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return .v4(UInt32(bigEndian: four.s_addr)) }
        var six = in6_addr()
        try #require(inet_pton(AF_INET6, text, &six) == 1)
        let (high, low) = withUnsafeBytes(of: six) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return .v6(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low))
    }
}
