// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// What came of one action, tried as a worker tries it: what is known to have had no effect is sent again, and of what nobody
/// knows only what the manifest allows.
struct ActionTrial {
    enum Outcome: Equatable {
        case succeeded(JSONTree)
        case failed(code: String, message: String)
        case unknown(code: String)
        /// It was not over after many attempts.
        case endless
    }

    private static let attempts = 6

    static func run(
        _ fixture: ActionFixture, of connector: ManifestConnector, _ access: ProviderAccess
    ) async throws(ConnectorError) -> (outcome: Outcome, repetition: ActionRepetition) {
        let call = ActionCall(name: fixture.action, input: fixture.input, key: ActionFixture.key)
        var isInDoubt = false
        var repetition = ActionRepetition.never
        var doubt = ""
        for _ in 0..<attempts {
            let performer = try connector.performer(of: call, access: access)
            repetition = performer.repetition
            let isRepeated = isInDoubt
            if isInDoubt {
                switch repetition {
                case .never: return (.unknown(code: doubt), repetition)
                case .safe, .keyed: break
                case .lookedUp:
                    do throws(ConnectorError) {
                        if let found = try await performer.lookUp() {
                            return (.succeeded(tree(found)), repetition)
                        }
                    } catch {
                        return (.unknown(code: error.code), repetition)
                    }
                    isInDoubt = false
                }
            }
            do throws(ActionFailure) {
                let reply = try await performer.perform(isRepeated: isRepeated) {}
                return (.succeeded(tree(reply)), repetition)
            } catch {
                doubt = error.error.code
                switch error.effect {
                case .none:
                    guard [.rateLimited, .providerOutage, .transient].contains(error.error.errorClass) else {
                        return (
                            .failed(code: error.error.code, message: error.error.userMessage), repetition
                        )
                    }
                case .unknown: isInDoubt = true
                case .settledUnknown: return (.unknown(code: error.error.code), repetition)
                }
            }
        }
        return (isInDoubt ? .unknown(code: doubt) : .endless, repetition)
    }

    private static func tree(_ reply: ActionReply) -> JSONTree {
        (JSONTree(yaml: String(decoding: reply.result, as: UTF8.self)) ?? .object([])).sorted
    }
}

/// The checks of one action's fixture.
struct ActionCheck {
    let connector: ManifestConnector
    let fixture: Fixture
    let action: ActionFixture

    typealias Finding = ConformanceSuite.Finding

    func run() async -> [Finding] {
        guard connector.manifest.actions.contains(where: { $0.descriptor.name == action.action }) else {
            return [finding("as it is", .broken, "the manifest has no action '\(action.action)'")]
        }
        let problems = connector.check(action.input, of: action.action)
        guard problems.isEmpty else {
            return [finding("input", .broken, problems.map(\.description).joined(separator: "; "))]
        }
        let plain = ActionClient(action)
        var findings = [await asItIs(plain)]
        guard action.expectation.status == .succeeded, findings[0].outcome == .passed else { return findings }
        findings.append(await again("a refusal with 429 before it", .limited))
        findings.append(await again("a connection that is never made", .unreachable))
        for (name, fault) in [
            ("an answer with status 500", ActionClient.Fault.failing),
            ("a connection that is cut after it was sent", .cut), ("markup with status 200", .markup),
        ] {
            findings += await inDoubt(name, fault)
        }
        return findings
    }

    // MARK: - Checks

    private func asItIs(_ client: ActionClient) async -> Finding {
        let check = "as it is"
        guard let (outcome, _) = await trial(client) else { return configuration(check) }
        if let unknown = client.unknown {
            return finding(check, .broken, "the fixture has no answer to \(unknown)")
        }
        if let unused = client.unused {
            return finding(check, .broken, "\(unused) was not sent")
        }
        if client.confirmed != client.sent.count {
            return finding(check, .broken, "a request was sent that nobody was asked about")
        }
        let expected = action.expectation
        switch (outcome, expected.status) {
        case (.succeeded(let result), .succeeded):
            return same(check, result, expected.result)
        case (.failed(let code, let message), .failed):
            if let wanted = expected.code, wanted != code {
                return finding(check, .broken, "the code is '\(code)', not '\(wanted)'")
            }
            if let wanted = expected.message, wanted != message {
                return finding(check, .broken, "the user reads '\(message)', not '\(wanted)'")
            }
            return finding(check, .passed, "")
        case (.unknown(let code), .unknown):
            let isSame = expected.code == nil || expected.code == code
            return finding(check, isSame ? .passed : .broken, isSame ? "" : "the code is '\(code)'")
        default: return finding(check, .broken, Self.text(outcome))
        }
    }

    /// What certainly had no effect is sent once more.
    private func again(_ check: String, _ fault: ActionClient.Fault) async -> Finding {
        let client = ActionClient(action, fault: fault)
        guard let (outcome, _) = await trial(client) else { return configuration(check) }
        guard client.sent.count == 2 else {
            return finding(check, .broken, "it was sent \(client.sent.count) times: \(Self.text(outcome))")
        }
        return succeeded(check, outcome, action.expectation.result)
    }

    /// Of what nobody knows whether it took effect, only what the manifest allows happens.
    private func inDoubt(_ check: String, _ fault: ActionClient.Fault) async -> [Finding] {
        let client = ActionClient(action, fault: fault, isFound: true)
        guard let (outcome, repetition) = await trial(client) else { return [configuration(check)] }
        switch repetition {
        case .safe: return [succeeded(check, outcome, action.expectation.result)]
        case .keyed:
            guard client.sent.count == 2, client.sent[0] == client.sent[1] else {
                return [finding(check, .broken, "the second request is not the first one, with its key")]
            }
            return [succeeded(check, outcome, action.expectation.result)]
        case .never:
            let isUnknown = if case .unknown = outcome { client.sent.count == 1 } else { false }
            return [
                finding(
                    check, isUnknown ? .passed : .broken,
                    isUnknown ? "" : "it was sent \(client.sent.count) times: \(Self.text(outcome))")
            ]
        case .lookedUp:
            guard let lookUp = action.lookUp else {
                return [finding(check, .broken, "the fixture does not say what a look-up gives (look_up)")]
            }
            let missing = ActionClient(action, fault: fault, isFound: false)
            guard let (second, _) = await trial(missing) else { return [configuration(check)] }
            let found = "\(check), and a look-up that finds it"
            let lost = "\(check), and a look-up that does not find it"
            return [
                client.sent.count == 1 && client.lookUps == 1
                    ? succeeded(found, outcome, lookUp.result)
                    : finding(found, .broken, "it was sent \(client.sent.count) times"),
                missing.sent.count == 2 && missing.lookUps == 1
                    ? succeeded(lost, second, action.expectation.result)
                    : finding(lost, .broken, "it was sent \(missing.sent.count) times"),
            ]
        }
    }

    private func succeeded(_ check: String, _ outcome: ActionTrial.Outcome, _ wanted: JSONTree?) -> Finding {
        guard case .succeeded(let result) = outcome else {
            return finding(check, .broken, Self.text(outcome))
        }
        return same(check, result, wanted)
    }

    private func same(_ check: String, _ result: JSONTree, _ wanted: JSONTree?) -> Finding {
        guard let wanted, wanted.sorted != result else { return finding(check, .passed, "") }
        return finding(check, .broken, "the result is \(String(decoding: result.bytes, as: UTF8.self))")
    }

    // MARK: - Parts

    private func trial(_ client: ActionClient) async -> (ActionTrial.Outcome, ActionRepetition)? {
        let access = ProviderAccess(
            client: client, secrets: fixture.secrets.mapValues { SecretString($0) },
            configuration: fixture.configuration, baseURL: ActionClient.baseURL)
        do throws(ConnectorError) {
            return try await ActionTrial.run(action, of: connector, access)
        } catch {
            return nil
        }
    }

    private func configuration(_ check: String) -> Finding {
        finding(check, .broken, "the fixture's secrets or config lack what the action needs")
    }

    private static func text(_ outcome: ActionTrial.Outcome) -> String {
        switch outcome {
        case .succeeded(let result): "it succeeded with \(String(decoding: result.bytes, as: UTF8.self))"
        case .failed(let code, let message): "it failed with '\(code)': \(message)"
        case .unknown(let code): "nobody knows whether it took effect ('\(code)')"
        case .endless: "it was tried for ever"
        }
    }

    private func finding(_ check: String, _ outcome: Finding.Outcome, _ detail: String) -> Finding {
        Finding(stream: action.action, check: "\(action.name): \(check)", outcome: outcome, detail: detail)
    }
}
