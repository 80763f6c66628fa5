// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner

/// Checks a manifest against what its provider answers, and against a provider that fails.
public struct ConformanceSuite: Sendable {
    /// What one check of one stream found.
    public struct Finding: Sendable, Equatable {
        /// How a check ended.
        public enum Outcome: String, Sendable {
            case passed
            case broken
            /// The check means nothing for this stream.
            case skipped
        }

        /// The stream, or the action, that was checked.
        public let stream: String
        /// What was checked.
        public let check: String
        /// How it ended.
        public let outcome: Outcome
        /// What was seen, for people; empty where there is nothing to say.
        public let detail: String
    }

    private let connector: ManifestConnector
    private let fixture: Fixture

    /// Loads a manifest and its fixture. Throws all that is wrong with the text of either.
    public init(
        manifest: String, file: String, fixture: String, fixtureFile: String
    ) throws(ManifestError) {
        connector = try ManifestLoader.load(manifest, file: file)
        self.fixture = try FixtureLoader.load(fixture, file: fixtureFile)
    }

    /// Runs all checks of all streams and actions that the fixture is about.
    public func run() async -> [Finding] {
        await checkStreams() + checkActions()
    }

    private func checkActions() async -> [Finding] {
        guard !fixture.actions.isEmpty else { return [] }
        var findings: [Finding] = []
        for action in fixture.actions {
            findings += await ActionCheck(connector: connector, fixture: fixture, action: action).run()
        }
        let names = Set(fixture.actions.map(\.action))
        for action in connector.manifest.actions.map(\.descriptor.name) where !names.contains(action) {
            findings.append(
                Finding(
                    stream: action, check: "as it is", outcome: .broken,
                    detail: "the fixture has no case of this action (actions)"))
        }
        return findings
    }

    private func checkStreams() async -> [Finding] {
        guard fixture.streams != nil else {
            return [
                Finding(
                    stream: "-", check: "streams", outcome: .skipped,
                    detail: "the fixture is of actions alone")
            ]
        }
        var findings: [Finding] = []
        for stream in connector.manifest.streams {
            var fixture = fixture
            if case .csv(let delimiter) = stream.list.plan.layout { fixture.delimiter = delimiter }
            let check = StreamCheck(connector: connector, fixture: fixture, stream: stream)
            findings += await check.run()
        }
        return findings
    }
}
