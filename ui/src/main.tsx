// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact'
import { App } from './app'
import './styles/base.css'
import './styles/frame.css'
import './styles/panel.css'
import './styles/map.css'
import './styles/changes.css'
import './styles/dock.css'
import './styles/flows.css'
import './styles/traces.css'
import './styles/trace.css'
import './styles/run.css'
import './styles/trace_diff.css'
import './styles/notice.css'
import './styles/reading.css'
import './styles/alerts.css'

const root = document.getElementById('app')
if (root) render(<App />, root)
