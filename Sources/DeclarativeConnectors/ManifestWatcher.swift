// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// Asks for watches as a manifest says.
struct ManifestWatcher: Watcher {
    let rule: WatchRule
    let stream: ReadableStream

    func begin(_ slice: StreamSlice, _ request: WatchRequest) async throws(ConnectorError) -> WatchGrant {
        var additions = RequestAdditions()
        additions.values.slice = slice
        additions.values.watch = request
        let wanted = additions
        let limits = stream.manifest.limits.compactMap { $0.use(by: rule.stream, part: "watch") }
        let (response, _) = try await stream.sender.send(
            endpoint: rule.request.path.text, limits: limits, judge: stream.judge
        ) { requests throws(ConnectorError) in
            var http = try requests.request(rule.request, wanted)
            // A channel's id may be used once.
            http.isRepeatable = false
            return http
        }
        let pointers = [rule.expires.pointer] + (rule.resource.map { [$0] } ?? [])
        let found = JSONValueReader.scalars(at: pointers, in: response.body)
        guard let end = found.first.flatMap({ $0 }).flatMap(rule.expires.order(of:)) else {
            throw ConnectorError(
                .contractViolation, code: "watch_without_end",
                userMessage: "\(stream.manifest.title) sent data in an unexpected form.",
                operatorDetail: "stream \(rule.stream): the answer has no \(rule.expires.pointer.text)")
        }
        return WatchGrant(
            resource: found.count > 1 ? found[1]?.text : nil, expiresAt: Timestamp(microseconds: end))
    }

    func end(_ watch: HeldWatch) async throws(ConnectorError) -> Bool {
        guard let stop = rule.stop else { return false }
        var additions = RequestAdditions()
        additions.values.heldWatch = watch
        let wanted = additions
        let limits = stream.manifest.limits.compactMap { $0.use(by: rule.stream, part: "watch") }
        _ = try await stream.sender.send(endpoint: stop.path.text, limits: limits, judge: stream.judge) {
            requests throws(ConnectorError) in
            try requests.request(stop, wanted)
        }
        return true
    }
}
