import { Hono } from 'hono'
import { AppError } from '../contract/errors.ts'
import { LATER_ROUTES } from '../contract/later.ts'
import type { HttpBinding } from '../contract/operation.ts'
import { type HttpOperationName, OPERATIONS } from '../contract/operations.ts'
import type { Exchange } from './exchange.ts'
import { type RouteTemplate, routeTemplate } from './route-template.ts'

/** One route, and the operation behind it. */
export interface Route extends RouteTemplate {
  readonly name: HttpOperationName
  readonly http: HttpBinding
}

/** Every operation that HTTP reaches, in the order of the table. */
export function httpRoutes(): readonly Route[] {
  return Object.entries(OPERATIONS).flatMap(([name, operation]) => {
    if (!('http' in operation)) return []
    // The filter above is what HttpOperationName says.
    return [{ name: name as HttpOperationName, http: operation.http, ...routeTemplate(operation.http.path) }]
  })
}

/** What may be done at an address, for `Allow`. */
export function methodsOf(template: string): string {
  const methods = httpRoutes().flatMap((route) => (route.template === template ? [route.http.method] : []))
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].join(', ')
}

interface Bindings {
  readonly exchange: Exchange
}

/** The path as the client wrote it, still encoded: what a part of it means is decided after the route is known. */
const pathOf: GetPath<{ Bindings: Bindings }> = (_request, options) => options?.env?.exchange.url.pathname ?? '/'
type GetPath<E extends { Bindings: object }> = (request: Request, options?: { env?: E['Bindings'] }) => string

/** Sends each request to the route that its method and address name. What matches none fails as the error table says. */
export function createRouter(answer: (route: Route, exchange: Exchange) => Promise<Response>): (exchange: Exchange) => Promise<Response> {
  // Failures are the caller's to word.
  const app = new Hono<{ Bindings: Bindings }>({ getPath: pathOf }).onError((error) => {
    throw error
  })
  const routes = httpRoutes()
  for (const route of routes) app.on(route.http.method, route.pattern, ({ env }) => answer(route, env.exchange))
  for (const { methods, path, feature } of LATER_ROUTES) {
    const { pattern } = routeTemplate(path)
    app.on([...methods], [pattern], ({ env }) => {
      env.exchange.route = path
      throw new AppError('not_available_yet', `not available yet: ${feature} (${env.exchange.request.method} ${path})`, {
        fix: 'It comes with a later release; /docs has every route that is there.',
      })
    })
  }
  // After the routes: an address that is known, with a method that is not.
  for (const { pattern, template } of routes) {
    app.all(pattern, ({ env }) => {
      env.exchange.route = template
      throw new AppError('method_not_allowed', `${env.exchange.request.method} is not for ${template}`)
    })
  }
  app.notFound(({ env }) => {
    throw new AppError('route_not_found', `nothing answers ${env.exchange.request.method} there`)
  })
  return async (exchange) => app.fetch(exchange.request, { exchange })
}
